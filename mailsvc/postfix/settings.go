package postfix

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// The canonical text of Postfix and Dovecot
//
//	main.cf myhostname                    mail.nomeazienda.it
//	main.cf relayhost                     (empty)
//	main.cf mydestination nomeazienda.it  served
//	virtual postmaster@nomeazienda.it     mario
//	dovecot auth                          private/auth
//	hosts mail.nomeazienda.it             mapped nowhere else than in DNS
//
// A list is one line with commas between. A domain is served when any class of Postfix takes
// its mail; where none does, mydestination gets it.
const (
	inMain     = "main.cf"
	inTable    = "virtual"
	dovecotKey = "dovecot auth"
	socket     = "private/auth" // below Postfix's queue directory, whichever that is
)

// defaultRecipients is the default of local_recipient_maps.
const defaultRecipients = "proxy:unix:passwd.byname, $alias_maps"

// inMaster begins the text of a setting that main.cf leaves to the services of master.cf.
const inMaster = "in master.cf: "

// loopback is whom Postfix may trust for his address: this machine.
const loopback = "127.0.0.0/8, [::ffff:127.0.0.0]/104, [::1]/128"

// translator says needs as settings.
type translator struct {
	out   []setting
	need  plan.Item
	table string // for addresses
	host  string // the mail host
}

// Spell implements mailsvc.Server. What Postfix does anyway, where main.cf says nothing
// else, is not written.
func (d *Driver) Spell(needs []plan.Item) (out []plan.Item) {
	for _, s := range d.spell(needs) {
		out = append(out, s.Item)
	}
	return out
}

// setting is a setting and the need that it is for.
type setting struct {
	plan.Item
	need string
}

func (d *Driver) spell(needs []plan.Item) []setting {
	s := translator{table: d.ownTable()}
	all := group(needs)
	for _, it := range needs {
		need, name := mailsvc.SplitNeed(it.Key)
		s.need = it
		text := it.Lines[0]

		switch need {
		case mail.NeedHostname:
			s.hostname(text)
		case mail.NeedListen:
			s.listen(text)
		case mail.NeedDomain:
			s.item(inMain+" mydestination "+name, mail.Served)
		case mail.NeedAlias:
			if it.Key == all[need][0].Key {
				s.add("virtual_alias_maps", s.table, withTable(s.table))
			}
			s.item(inTable+" "+name, text)
		case mail.NeedDelivery:
			s.delivery(text)
		case mail.NeedRelaying:
			s.relaying(it.Lines)
		case mail.NeedSenders:
			s.senders(all[mail.NeedDomain])
		case mail.NeedRecipients:
			s.requireUnless("smtpd_reject_unlisted_recipient", "yes", is("yes"))
			s.requireUnless("local_recipient_maps", defaultRecipients, func(v string) bool {
				return v != empty
			})
		case mail.NeedAccount:
			if it.Key == all[need][0].Key {
				s.accounts(all[need])
			}
		case mail.NeedLineEnds:
			const ends = "smtpd_forbid_bare_newline"
			s.add(ends, "normalize", atLeast("normalize", is("normalize", "yes", "reject")))
		case mail.NeedVRFY:
			s.exactly("disable_vrfy_command", "yes")
		case mail.NeedHosts:
			s.item(it.Key.Name, text)
		default:
			s.item(it.Key.Name, text).ByHand = instructions().Text(need, name, text)
		}
	}

	return s.out
}

// group returns the needs of each kind.
func group(needs []plan.Item) map[string][]plan.Item {
	all := map[string][]plan.Item{}
	for _, it := range needs {
		need, _ := mailsvc.SplitNeed(it.Key)
		all[need] = append(all[need], it)
	}
	return all
}

func (s *translator) item(name, text string) *plan.Item {
	need, _ := mailsvc.SplitNeed(s.need.Key)
	it := setting{s.need, need}
	it.Key.Name = name
	it.Lines = []string{text}
	s.out = append(s.out, it)
	return &s.out[len(s.out)-1].Item
}

// exactly wants one value, written out even where it is the default.
func (s *translator) exactly(name, value string) {
	s.item(inMain+" "+name, canonical(name, value))
}

// add wants a setting that is merged with what is there.
func (s *translator) add(name, value string, m plan.Merge) {
	s.item(inMain+" "+name, canonical(name, value)).Merge = m
}

// requireUnless wants a value where another stands that is not fine. Where none stands the default
// does, and is.
func (s *translator) requireUnless(name, value string, fine func(string) bool) {
	s.add(name, value, unless(canonical(name, value), fine))
}

func unless(value string, fine func(string) bool) plan.Merge {
	return func(observed, _, _ []string) []string {
		if len(observed) == 0 || fine(observed[0]) {
			return observed
		}
		return []string{value}
	}
}

// atLeast wants a value, and is content with others.
func atLeast(value string, fine func(string) bool) plan.Merge {
	return func(observed, _, _ []string) []string {
		if len(observed) > 0 && fine(observed[0]) {
			return observed
		}
		return []string{value}
	}
}

func is(values ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(values, v) }
}

func (s *translator) hostname(host string) {
	s.exactly("myhostname", host)
	s.host = host
	s.requireUnless("smtpd_banner", "$myhostname ESMTP", func(v string) bool {
		first, _, _ := strings.Cut(v, " ")
		return isName(first, host)
	})

	s.requireUnless("smtp_helo_name", "$myhostname", func(v string) bool {
		return isName(v, host)
	})
}

func (s *translator) listen(text string) {
	addr := netip.MustParseAddrPort(text).Addr()
	s.requireUnless("inet_interfaces", "all", func(v string) bool {
		return slices.ContainsFunc(elements(v), func(e string) bool {
			return e == "all" || strings.Trim(e, "[]") == addr.String() || isName(e, s.host)
		})
	})

	family := "ipv4"
	if addr.Is6() {
		family = "ipv6"
	}

	s.requireUnless("inet_protocols", "all", func(v string) bool {
		return slices.Contains(elements(v), "all") || slices.Contains(elements(v), family)
	})
}

func (s *translator) delivery(text string) {
	relay, fallback := empty, empty
	if host, ok := strings.CutPrefix(text, mail.AlwaysHost); ok {
		relay = nextHop(host)
	} else if host, ok := strings.CutPrefix(text, mail.ElseHost); ok {
		fallback = nextHop(host)
	}

	s.emptyOr("relayhost", relay)
	s.emptyOr("smtp_fallback_relay", fallback)
	s.requireUnless("default_transport", "smtp", func(v string) bool {
		service, hop, _ := strings.Cut(v, ":")
		return !slices.Contains([]string{"error", "retry", "discard"}, service) &&
			(hop == "" || hop == relay)
	})
}

// emptyOr wants a setting that is empty by default.
func (s *translator) emptyOr(name, value string) {
	if value == empty {
		s.requireUnless(name, empty, is(empty))
		return
	}
	s.exactly(name, value)
}

// nextHop is how Postfix writes a host whose MX is not to be looked up.
func nextHop(hostPort string) string {
	i := strings.LastIndex(hostPort, ":")
	return "[" + strings.Trim(hostPort[:i], "[]") + "]" + hostPort[i:]
}

// isName reports whether a value is the name of the mail host, written out or by its variable.
func isName(value, host string) bool {
	return host != "" && (value == "$myhostname" || value == "${myhostname}" ||
		value == "$(myhostname)" || strings.EqualFold(value, host))
}

// senders lets only those who logged in, and this machine, write as one of us. The rule stands last
// in its list, so that it lets nobody past a rule that stood there before; and it asks no map that
// others use: smtpd_sender_login_maps says who owns an address, for every rule that asks.
func (s *translator) senders(domains []plan.Item) {
	var names []string
	for _, d := range domains {
		_, name := mailsvc.SplitNeed(d.Key)
		names = append(names, regexp.QuoteMeta(name))
	}

	// The end of a name is found without a "$": restriction lists are expanded twice, by smtpd and
	// for proxymap (proxy_read_maps). The case is folded (regexp_table(5)).
	domain := "/@(" + strings.Join(names, "|") + ")"
	ours := "check_sender_access regexp:{{" + domain + "[-.0-9a-z_]/ DUNNO}, {" + domain +
		"/ 553 5.7.1 log in to send as this domain}}"

	s.merged("smtpd_sender_restrictions", "permit_mynetworks, permit_sasl_authenticated, "+ours)
	s.add("smtpd_sasl_auth_enable", "yes", atLeast("yes", func(v string) bool {
		return v == "yes" || strings.HasPrefix(v, inMaster)
	}))

	s.add("smtpd_tls_auth_only", "yes", atLeast("yes", func(v string) bool {
		return v == "yes" || strings.HasPrefix(v, inMaster)
	}))

	anything := func(string) bool { return true }
	s.add("smtpd_sasl_type", "dovecot", atLeast("dovecot", anything))
	s.add("smtpd_sasl_path", socket, atLeast(socket, anything))
	it := s.item(dovecotKey, socket)
	it.Merge = atLeast(socket, anything)
}

// accounts refuses mail from outside for names that attackers try first. Mail of this
// machine's own to root goes another way.
func (s *translator) accounts(needs []plan.Item) {
	var names []string
	for _, it := range needs {
		_, name := mailsvc.SplitNeed(it.Key)
		names = append(names, "{"+name+"@ = 550 5.1.1 User unknown}")
	}
	s.merged("smtpd_recipient_restrictions",
		"permit_mynetworks, check_recipient_access inline:{"+strings.Join(names, ", ")+"}")
}

// merged wants a list to hold ours, and keeps what others have in it, in its order. A list of
// restrictions is a program: what of ours is missing comes last, so that no rule that stood there
// is passed over, but before a word that ends every list. Of what was ours before, what is no longer
// wanted goes.
func (s *translator) merged(name, value string) {
	wanted := elements(value)
	s.add(name, value, func(observed, last, prior []string) []string {
		theirs := listOf(prior)
		former := slices.DeleteFunc(listOf(last), func(e string) bool {
			return slices.Contains(theirs, e) || slices.Contains(wanted, e)
		})

		all := slices.DeleteFunc(listOf(observed), func(e string) bool {
			return slices.Contains(former, e)
		})

		at := len(all)
		if at > 0 && all[at-1] == "permit" {
			at--
		}

		var missing []string
		for _, e := range wanted {
			if !slices.Contains(all, e) {
				missing = append(missing, e)
			}
		}

		return []string{canonical(name, strings.Join(slices.Insert(all, at, missing...), ", "))}
	})
}

func listOf(lines []string) (list []string) {
	for _, l := range lines {
		list = append(list, elements(l)...)
	}
	return list
}

// withTable wants our table in virtual_alias_maps, before those that are there: it holds nothing but
// what the plan shows, and a pattern in another one may answer for any address.
func withTable(table string) plan.Merge {
	return func(observed, _, _ []string) []string {
		list := listOf(observed)
		if slices.Contains(list, table) {
			return observed
		}
		return []string{strings.Join(slices.Insert(list, 0, table), ", ")}
	}
}

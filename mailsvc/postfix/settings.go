package postfix

import (
	"fmt"
	"net/netip"
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

// loopback is whom Postfix may trust for his address: this machine.
const loopback = "127.0.0.0/8, [::ffff:127.0.0.0]/104, [::1]/128"

// speller says needs as settings.
type speller struct {
	out   []spelled
	need  plan.Item
	table string // for addresses, where there is none
}

// Spell implements mailsvc.Server. What Postfix does anyway, where main.cf says nothing
// else, is not written.
func (d *Driver) Spell(needs []plan.Item) (out []plan.Item) {
	for _, s := range d.spell(needs) {
		out = append(out, s.Item)
	}
	return out
}

// spelled is a setting and the need that it is for.
type spelled struct {
	plan.Item
	need string
}

func (d *Driver) spell(needs []plan.Item) []spelled {
	s := speller{table: d.ownTable()}
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
			if it.Key == all[need][0].Key {
				s.exactly("myorigin", name)
			}
			s.item(inMain+" mydestination "+name, mail.Served)
		case mail.NeedAlias:
			if it.Key == all[need][0].Key {
				s.add("virtual_alias_maps", s.table, keepTable(s.table))
			}
			s.item(inTable+" "+name, text)
		case mail.NeedDelivery:
			s.delivery(text)
		case mail.NeedRelaying:
			s.relaying(it.Lines)
		case mail.NeedSenders:
			s.senders(all[mail.NeedDomain])
		case mail.NeedRecipients:
			s.unless("smtpd_reject_unlisted_recipient", "yes", is("yes"))
			s.unless("local_recipient_maps", "proxy:unix:passwd.byname, $alias_maps", func(v string) bool { return v != empty })
		case mail.NeedAccount:
			if it.Key == all[need][0].Key {
				s.accounts(all[need])
			}
		case mail.NeedLineEnds:
			s.exactly("smtpd_forbid_bare_newline", "normalize")
		case mail.NeedVRFY:
			s.exactly("disable_vrfy_command", "yes")
		case mail.NeedHosts:
			s.item(it.Key.Name, text)
		default:
			s.item(it.Key.Name, text).ByHand = words().Say(need, name, text)
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

func (s *speller) item(name, text string) *plan.Item {
	need, _ := mailsvc.SplitNeed(s.need.Key)
	it := spelled{s.need, need}
	it.Key.Name, it.Lines = name, []string{text}
	s.out = append(s.out, it)
	return &s.out[len(s.out)-1].Item
}

// exactly wants one value, written out even where it is the default.
func (s *speller) exactly(name, value string) {
	s.item(inMain+" "+name, canonical(name, value))
}

// add wants a setting that is merged with what is there.
func (s *speller) add(name, value string, m plan.Merge) {
	s.item(inMain+" "+name, canonical(name, value)).Merge = m
}

// unless wants a value where another stands that is not fine. Where none stands the default
// does, and is.
func (s *speller) unless(name, value string, fine func(string) bool) {
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

// orFine wants a value, and is content with others.
func orFine(value string, fine func(string) bool) plan.Merge {
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

func (s *speller) hostname(host string) {
	s.exactly("myhostname", host)
	s.unless("smtpd_banner", "$myhostname ESMTP", func(v string) bool {
		return strings.HasPrefix(v+" ", "$myhostname ") || strings.HasPrefix(v+" ", host+" ")
	})
	s.unless("smtp_helo_name", "$myhostname", is("$myhostname", host))
}

func (s *speller) listen(text string) {
	addr := netip.MustParseAddrPort(text).Addr()
	s.unless("inet_interfaces", "all", func(v string) bool {
		list := elements(v)
		return slices.Contains(list, "all") || slices.Contains(list, addr.String()) || slices.Contains(list, "["+addr.String()+"]")
	})
	family := "ipv4"
	if addr.Is6() {
		family = "ipv6"
	}
	s.unless("inet_protocols", "all", func(v string) bool {
		return slices.Contains(elements(v), "all") || slices.Contains(elements(v), family)
	})
}

func (s *speller) delivery(text string) {
	relay, fallback := empty, empty
	if host, ok := strings.CutPrefix(text, mail.AlwaysHost); ok {
		relay = nextHop(host)
	} else if host, ok := strings.CutPrefix(text, mail.ElseHost); ok {
		fallback = nextHop(host)
	}
	s.emptyOr("relayhost", relay)
	s.emptyOr("smtp_fallback_relay", fallback)
	s.unless("default_transport", "smtp", func(v string) bool {
		service, _, _ := strings.Cut(v, ":")
		return !slices.Contains([]string{"error", "retry", "discard"}, service)
	})
}

// emptyOr wants a setting that is empty by default.
func (s *speller) emptyOr(name, value string) {
	if value == empty {
		s.unless(name, empty, is(empty))
		return
	}
	s.exactly(name, value)
}

// nextHop is how Postfix writes a host whose MX is not to be looked up.
func nextHop(hostPort string) string {
	i := strings.LastIndex(hostPort, ":")
	return "[" + strings.Trim(hostPort[:i], "[]") + "]" + hostPort[i:]
}

func (s *speller) relaying(lines []string) {
	trusted, others := elements(loopback), []string{}
	for _, l := range lines {
		if n, ok := strings.CutPrefix(l, mail.TrustsNetwork); ok {
			p := netip.MustParsePrefix(n)
			if p.Addr().Is6() {
				n = fmt.Sprintf("[%s]/%d", p.Addr(), p.Bits())
			}
			trusted = append(trusted, n)
		}
		if d, ok := strings.CutPrefix(l, mail.PassesOn); ok {
			others = append(others, d)
		}
	}
	s.exactly("mynetworks", strings.Join(trusted, ", "))
	s.emptyOr("relay_domains", canonical("relay_domains", strings.Join(others, ", ")))
	const control = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
	s.add("smtpd_relay_restrictions", control, orFine(control, refusesStrangers))
}

// refusesStrangers reports whether a list of relay restrictions ends in a refusal for good
// and permits nobody but whom Postfix trusts.
func refusesStrangers(v string) bool {
	final := false
	for _, e := range elements(v) {
		word, _, _ := strings.Cut(e, " ")
		switch {
		case word == "permit_mynetworks", word == "permit_sasl_authenticated":
		case word == "reject_unauth_destination", word == "reject":
			final = true
		case strings.HasPrefix(word, "reject_"):
		default:
			return false
		}
	}
	return final
}

// senders lets only those who logged in write as one of us. Without SASL Postfix passes over
// reject_unauthenticated_sender_login_mismatch with no more than a warning in its log, so
// that all of this belongs together.
func (s *speller) senders(domains []plan.Item) {
	var owned []string
	for _, d := range domains {
		_, name := mailsvc.SplitNeed(d.Key)
		owned = append(owned, "{@"+name+" = mailpub}") // nobody of that name logs in: any login will do
	}
	s.merged("smtpd_sender_login_maps", "inline:{"+strings.Join(owned, ", ")+"}", false)
	s.merged("smtpd_sender_restrictions", "permit_mynetworks, reject_unlisted_sender, reject_unauthenticated_sender_login_mismatch", true)
	s.exactly("smtpd_sasl_auth_enable", "yes")
	s.exactly("smtpd_tls_auth_only", "yes")
	anything := func(string) bool { return true }
	s.add("smtpd_sasl_type", "dovecot", orFine("dovecot", anything))
	s.add("smtpd_sasl_path", socket, orFine(socket, anything))
	s.item(dovecotKey, socket)
}

// accounts refuses mail from outside for names that attackers try first. Mail of this
// machine's own to root goes another way.
func (s *speller) accounts(needs []plan.Item) {
	var names []string
	for _, it := range needs {
		_, name := mailsvc.SplitNeed(it.Key)
		names = append(names, "{"+name+"@ = 550 5.1.1 User unknown}")
	}
	s.merged("smtpd_recipient_restrictions", "permit_mynetworks, check_recipient_access inline:{"+strings.Join(names, ", ")+"}", true)
}

// merged wants a list to begin or to end with ours, and keeps what others have in it. Of
// what was ours before, what is no longer wanted goes.
func (s *speller) merged(name, value string, before bool) {
	wanted := elements(value)
	s.add(name, value, func(observed, last, prior []string) []string {
		theirs := listOf(prior)
		ours := slices.Concat(wanted, slices.DeleteFunc(listOf(last), func(e string) bool { return slices.Contains(theirs, e) }))
		rest := slices.DeleteFunc(listOf(observed), func(e string) bool { return slices.Contains(ours, e) })
		all := slices.Concat(rest, wanted)
		if before {
			all = slices.Concat(wanted, rest)
		}
		return []string{canonical(name, strings.Join(all, ", "))}
	})
}

func listOf(lines []string) (list []string) {
	for _, l := range lines {
		list = append(list, elements(l)...)
	}
	return list
}

// keepTable wants some table in virtual_alias_maps that addresses can be written into.
func keepTable(table string) plan.Merge {
	return func(observed, _, _ []string) []string {
		list := listOf(observed)
		if slices.ContainsFunc(list, isSource) {
			return observed
		}
		return []string{strings.Join(append(list, table), ", ")}
	}
}

// isSource tells the tables that are made of a text file with postmap.
func isSource(table string) bool {
	kind, path, ok := strings.Cut(table, ":")
	return ok && strings.HasPrefix(path, "/") && slices.Contains([]string{"hash", "btree", "lmdb", "cdb", "dbm"}, kind)
}

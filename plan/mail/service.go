package mail

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// The canonical text of a mail service
//
// A key of kind "service" is one need of a site, in words that fit every mail server.
// Whoever drives one says it in that server's own settings.
//
//	hostname                          mail.nomeazienda.it
//	listen                            10.10.10.10:25
//	domain nomeazienda.it             served
//	alias postmaster@nomeazienda.it   mario
//	mailbox mario                     exists
//	delivery                          direct
//	relaying                          refused
const (
	NeedHostname   = "hostname"
	NeedListen     = "listen"
	NeedDomain     = "domain"   // domain NAME
	NeedAlias      = "alias"    // alias ADDRESS
	NeedMailbox    = "mailbox"  // mailbox NAME
	NeedDelivery   = "delivery" // see Delivery.String
	NeedRelaying   = "relaying" // Refused, then a line for each exception
	NeedSenders    = "senders"  // Authenticated
	NeedRecipients = "recipients"
	NeedAccount    = "account" // account NAME
	NeedLineEnds   = "line ends"
	NeedVRFY       = "vrfy"
	NeedPasswords  = "passwords"
	NeedHosts      = "hosts"     // hosts NAME
	NeedCollector  = "collector" // collector HOST
	NeedSigning    = "signing"   // signing DOMAIN
)

// Texts of needs that know no other.
const (
	Served        = "served"
	Exists        = "exists"
	Refused       = "refused"
	Authenticated = "own domains only with a password"
	KnownOnly     = "only those that exist"
	Unreachable   = "not reachable"
	StrictEnds    = "CR LF alone ends a line"
	Silent        = "does not disclose which addresses exist"
	StrongOnly    = "weak ones are refused"
	NotElsewhere  = "mapped nowhere else than in DNS"
	Elsewhere     = "polls its provider by address"
)

// Prefixes of the exceptions from Refused.
const (
	TrustsNetwork = "trusts "    // a network whose hosts send without a password
	PassesOn      = "passes on " // a domain of others whose mail is taken and passed on
)

// Expand returns the full addresses that an alias stands for in the given domains.
// Domain parts come without the final dot, as mail addresses are written.
func (a Alias) Expand(domains []Domain) []string {
	if strings.Contains(a.Address, "@") {
		return []string{strings.ToLower(a.Address)}
	}

	local := strings.ToLower(a.Address)
	out := []string{local}
	for _, d := range domains {
		out = append(out, local+"@"+d.bare())
	}

	return out
}

func (d Domain) bare() string { return strings.TrimSuffix(d.Name, ".") }

// Ways out that need no smart host named, and what stands before its name.
const (
	Direct     = "direct"
	ElseHost   = "direct, else through "
	AlwaysHost = "all through "
)

// String returns the canonical text: "direct", "direct, else through HOST:PORT", "all
// through HOST:PORT".
func (d Delivery) String() string {
	switch {
	case d.SmartHost == "":
		return Direct
	case d.Always:
		return AlwaysHost + d.SmartHost
	}
	return ElseHost + d.SmartHost
}

// ServiceItems returns what the site needs of any mail server.
func (s Spec) ServiceItems() (items []plan.Item) {
	add := func(reason, name string, lines ...string) {
		items = append(items, plan.Item{
			Key: plan.Key{
				Kind: "service",
				Name: name,
			},
			Lines:  lines,
			Stage:  plan.StageService,
			Reason: reason,
		})
	}

	host := strings.TrimSuffix(s.Host, ".")
	port := cmp.Or(s.Service.Port, 25)
	add("banner, EHLO and PTR must agree", NeedHostname, host)
	add("the router forwards to it", NeedListen, netip.AddrPortFrom(s.Address, port).String())

	for _, d := range s.Inbound() {
		add("mail for the domain is accepted", NeedDomain+" "+d.bare(), Served)
	}

	boxes := map[string]bool{}
	for _, a := range s.aliases() {
		why := "declared in the config"
		if local, _, _ := strings.Cut(a.Address, "@"); local == "postmaster" ||
			local == "abuse" {
			why = "every domain has a postmaster and an abuse address (RFC 2142, RFC 5321 section 4.5.1)"
		}

		add(why, NeedAlias+" "+a.Address, a.To)
		if !boxes[a.To] {
			boxes[a.To] = true
			add("an alias delivers to it", NeedMailbox+" "+a.To, Exists)
		}
	}

	add("the way that mail takes out, which SPF must agree with", NeedDelivery,
		s.Service.Delivery.String())

	add("an open relay is used for spam within hours (RFC 5321 section 7.1)", NeedRelaying,
		s.Service.relaying()...)

	add("outsiders cannot send as one of our addresses, above all as postmaster (RFC 6409 section 4.3)",
		NeedSenders, Authenticated)

	add("mail for unknown recipients is refused at once and causes no bounces to forged senders",
		NeedRecipients, KnownOnly)

	for _, name := range []string{"root", "test"} {
		if !s.declares(name) {
			add("the names that attackers try first", NeedAccount+" "+name, Unreachable)
		}
	}

	add("else one message can be smuggled inside another (RFC 5321 section 2.3.8)",
		NeedLineEnds, StrictEnds)

	add("spammers ask for addresses (RFC 5321 section 7.3)", NeedVRFY, Silent)
	add("a guessed password makes the server a relay", NeedPasswords, StrongOnly)
	add("programs on the server must use the public address", NeedHosts+" "+host, NotElsewhere)

	for _, c := range s.Service.Collectors {
		if s.Host == FQDN(c) {
			add("since mail comes here, the name "+c+" is this server itself",
				NeedCollector+" "+c, Elsewhere)
		}
	}

	for _, d := range s.Domains {
		for _, k := range d.DKIM {
			add("receivers check the signature (RFC 6376)", NeedSigning+" "+d.bare(),
				fmt.Sprintf("selector %s, key %s", k.Selector, k.File))
		}
	}

	return items
}

// declares reports whether the config itself wants an address of that local part.
func (s Spec) declares(local string) bool {
	return slices.ContainsFunc(s.Service.Aliases, func(a Alias) bool {
		is, _, _ := strings.Cut(strings.ToLower(a.Address), "@")
		return is == local
	})
}

func (m MailService) relaying() []string {
	lines := []string{Refused}
	for _, n := range m.Networks {
		lines = append(lines, TrustsNetwork+n.String())
	}

	for _, d := range m.PassesOn {
		lines = append(lines, PassesOn+strings.TrimSuffix(d, "."))
	}

	return lines
}

// aliases returns the declared aliases by full address, completed with postmaster
// and abuse of every domain, sorted. A declaration of the full address beats one of
// the local part.
func (s Spec) aliases() []Alias {
	to := map[string]string{}
	for _, a := range slices.Concat([]Alias{{"postmaster", "postmaster"},
		{"abuse", "postmaster"}}, s.Service.Aliases) {
		if !strings.Contains(a.Address, "@") {
			for _, full := range a.Expand(s.Inbound()) {
				to[full] = a.To
			}
		}
	}

	for _, a := range s.Service.Aliases {
		if strings.Contains(a.Address, "@") {
			to[strings.ToLower(a.Address)] = a.To
		}
	}

	out := make([]Alias, 0, len(to))
	for full, box := range to {
		out = append(out, Alias{full, box})
	}

	slices.SortFunc(out, func(a, b Alias) int {
		return strings.Compare(a.Address, b.Address)
	})

	return out
}

// Inbound are the domains whose mail the server takes.
func (s Spec) Inbound() []Domain {
	return slices.DeleteFunc(slices.Clone(s.Domains), func(d Domain) bool {
		return !d.TakenHere()
	})
}

// TakenHere reports whether the server takes the domain's mail. Where others do, as a hosted mailbox
// service, it may still send for it: its MX records are then not mailpub's.
func (d Domain) TakenHere() bool { return len(d.MX) > 0 }

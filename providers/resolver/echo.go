package resolver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/mail"
)

// Echo is a DNS service that answers with the address that it was asked from.
type Echo struct {
	Name     string
	question string
	class    uint16
	types    [2]uint16   // of the question, by IPv4 and by IPv6
	servers  [2][]string // that are to be asked, by IPv4 and by IPv6
	holder   bool        // its servers hold the name themselves: an answer without AA is another's
}

// Echoes are the public services that are known by name.
func Echoes() []Echo {
	return []Echo{
		{Name: "opendns", question: "myip.opendns.com.", class: dns.ClassINET, types: [2]uint16{dns.TypeA, dns.TypeAAAA},
			servers: [2][]string{{"208.67.222.222:53", "208.67.220.220:53"}, {"[2620:119:35::35]:53", "[2620:119:53::53]:53"}}},
		{Name: "google", question: "o-o.myaddr.l.google.com.", class: dns.ClassINET, types: [2]uint16{dns.TypeTXT, dns.TypeTXT}, holder: true,
			servers: [2][]string{{"216.239.32.10:53", "216.239.34.10:53"}, {"[2001:4860:4802:32::a]:53", "[2001:4860:4802:34::a]:53"}}},
		{Name: "cloudflare", question: "whoami.cloudflare.", class: dns.ClassCHAOS, types: [2]uint16{dns.TypeTXT, dns.TypeTXT},
			servers: [2][]string{{"1.1.1.1:53", "1.0.0.1:53"}, {"[2606:4700:4700::1111]:53", "[2606:4700:4700::1001]:53"}}},
	}
}

// ParseEcho returns the service that a text names: one of Echoes, or a question and whom to
// ask it, like "myip.example.org A 192.0.2.53". The type is A, AAAA or TXT; the server is an
// address, with a port where that is not 53.
func ParseEcho(text string) (Echo, error) {
	known := Echoes()
	if i := slices.IndexFunc(known, func(e Echo) bool { return e.Name == text }); i >= 0 {
		return known[i], nil
	}

	f := strings.Fields(text)
	bad := fmt.Errorf(`%q is no echo service, want opendns, google, cloudflare, or one like "myip.example.org A 192.0.2.53"`, text)
	if len(f) != 3 || !slices.Contains([]string{"A", "AAAA", "TXT"}, f[1]) {
		return Echo{}, bad
	}

	server, err := HostPort(f[2])
	if err != nil {
		return Echo{}, bad
	}

	at, err := netip.ParseAddrPort(server)
	if err != nil {
		return Echo{}, bad
	}

	e := Echo{Name: f[0] + " at " + f[2], question: mail.FQDN(f[0]), class: dns.ClassINET}
	by := 0
	if at.Addr().Is6() {
		by = 1
	}

	e.types[by] = dns.StringToType[f[1]]
	e.servers[by] = []string{server}
	return e, nil
}

// Asks reports whether the service can be asked by IPv6, or else by IPv4.
func (e Echo) Asks(ipv6 bool) bool { return len(e.servers[family(ipv6)]) > 0 }

func family(ipv6 bool) int {
	if ipv6 {
		return 1
	}
	return 0
}

// Echo asks a service which address it sees, by IPv6 or by IPv4. Its servers are asked in turn
// until one answers.
func (r *Resolver) Echo(ctx context.Context, e Echo, ipv6 bool) (netip.Addr, error) {
	var errs []error
	by := family(ipv6)
	for _, server := range e.servers[by] {
		m := new(dns.Msg).SetQuestion(e.question, e.types[by])
		m.Question[0].Qclass = e.class
		reply, err := r.Exchange(ctx, m, server)
		if err != nil {
			errs = append(errs, ServerError{server, err})
			continue
		}

		if e.holder && !reply.Authoritative {
			errs = append(errs, ServerError{server,
				errors.New("something between here and there answers in its place (it redirects port 53)")})
			continue
		}

		for _, rr := range reply.Answer {
			if a, ok := echoed(rr); ok && a.Is6() == ipv6 {
				return a, nil
			}
		}

		errs = append(errs, ServerError{server,
			fmt.Errorf("says no such address (%s)", dns.RcodeToString[reply.Rcode])})
	}

	return netip.Addr{}, fmt.Errorf("%s: %w", e.Name, JoinErrors(errs))
}

// echoed returns the address in an answer.
func echoed(rr dns.RR) (netip.Addr, bool) {
	text := ""
	switch t := rr.(type) {
	case *dns.A:
		text = t.A.String()
	case *dns.AAAA:
		text = t.AAAA.String()
	case *dns.TXT:
		text = strings.Join(t.Txt, "")
	}

	a, err := netip.ParseAddr(text)
	return a.Unmap(), err == nil
}

package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
)

// subjectOf makes the subject that a check of an id has, from its words.
func subjectOf(t *testing.T, id, words string) (s plan.Subject) {
	t.Helper()
	first, last, several := strings.Cut(words, " ")
	switch {
	case id == RouterForward:
		s = plan.OfKey(plan.Key{Kind: "forward", Name: words})
		_, number, _ := strings.Cut(words, "/")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		s.Port = uint16(port)
	case id == DNSDrift:
		s = plan.OfKey(plan.Key{Kind: "dns", Name: words})
		s.Name = strings.TrimSuffix(first, ".")
	case id == PortInside, id == PortOutside:
		if err := s.UnmarshalText([]byte(words)); err != nil {
			t.Fatal(err)
		}
	case id == SPFPass && several:
		addr, name, _ := strings.Cut(words, " as ")
		s = plan.Subject{Addr: addr, Name: name, Text: words}
	case several:
		s = plan.Subject{Name: first, Type: last}
	default:
		s = plan.OfName(words)
	}

	if s.String() != words {
		t.Fatalf("%#v is %q, want %q", s, s.String(), words)
	}

	return s
}

func TestCauses(t *testing.T) {
	check := func(status plan.Status, reason plan.Reason, idAndSubject string) plan.Check {
		id, words, _ := strings.Cut(idAndSubject, " ")
		return plan.Check{
			ID:      id,
			Subject: subjectOf(t, id, words),
			Status:  status,
			Reason:  reason,
		}
	}

	pass := func(s string) plan.Check { return check(plan.Pass, "", s) }
	fail := func(s string) plan.Check { return check(plan.Fail, "", s) }
	skip := func(s string) plan.Check { return check(plan.Skip, plan.ReasonSilent, s) }
	smtpOut := fail("port.outside smtp at :25")
	arrives := fail("mail.outside postmaster@nomeazienda.it")

	for _, test := range []struct {
		name   string
		checks []plan.Check
		want   []string // each "what it says: indices of the consequences"
	}{
		{"all is well", []plan.Check{pass("router.gateway"), pass("mail.local")}, nil},
		{"one failure has no consequences", []plan.Check{pass("router.gateway"), fail("mx.exists nomeazienda.it")}, nil},
		{"no router", []plan.Check{fail("router.gateway"), skip("router.wan"), skip("router.forward tcp/25"), arrives, fail("spf.all nomeazienda.it")},
			[]string{"no router answers: 1 2 3"}},
		{"the router restarted", []plan.Check{pass("router.gateway"), check(plan.Fail, plan.ReasonLost, "router.forward tcp/25"), check(plan.Fail, plan.ReasonLost, "router.forward tcp/143"), smtpOut, arrives},
			[]string{"the router forgot its forwards (it restarted): 2 3 4"}},
		{"the leases ran out", []plan.Check{pass("router.gateway"), check(plan.Fail, plan.ReasonLapsed, "router.forward tcp/25"), check(plan.Fail, plan.ReasonLapsed, "router.forward tcp/143"), smtpOut, arrives},
			[]string{"the leases of the forwards ran out, as nothing renewed them: 2 3 4"}},
		{"the router restarted, and nobody looks from outside", []plan.Check{check(plan.Fail, plan.ReasonLost, "router.forward tcp/25"), check(plan.Fail, plan.ReasonLost, "router.forward tcp/143"), check(plan.Skip, plan.ReasonUnseen, "port.outside every forward"), check(plan.Skip, plan.ReasonUnseen, "mail.outside a message")},
			[]string{"the router forgot its forwards (it restarted): 1"}},
		{"one forward is gone", []plan.Check{check(plan.Fail, plan.ReasonLost, "router.forward tcp/25"), pass("router.forward tcp/143"), smtpOut, fail("port.outside imap at :143"), arrives},
			[]string{"the router does not let tcp/25 through to the server: 2 4"}},
		{"one forward leads elsewhere, which others don't need", []plan.Check{fail("router.forward tcp/143"), pass("router.forward tcp/25"), smtpOut, arrives}, nil},
		{"double NAT", []plan.Check{fail("router.wan"), fail("router.address"), fail("host.a mail.nomeazienda.it A"), smtpOut},
			[]string{"the router is behind another one (double NAT): 1 3"}},
		{"the address changed", []plan.Check{fail("router.address"), fail("host.a mail.nomeazienda.it A"), fail("host.ptr 2.2.2.9"), fail("spf.pass 2.2.2.9"), fail("dkim.record x"), arrives},
			[]string{"the public address changed and differs from DNS: 1 2 3 5"}},
		{"nothing is published yet", []plan.Check{check(plan.Fail, plan.ReasonAbsent, "router.address"), fail("host.a mail.nomeazienda.it A"), fail("host.ptr 2.2.2.9"), fail("mx.exists nomeazienda.it")},
			[]string{"DNS has no address of the mail host: 1"}},
		{"the server is down", []plan.Check{check(plan.Fail, plan.ReasonDown, "port.inside smtp at 10.10.10.10:25"), fail("port.inside imap at 10.10.10.10:143"), skip("smtp.banner"), skip("relay.open"), smtpOut, skip("host.a x")},
			[]string{"the mail server is down: 1 2 3 4"}},
		{"only SMTP is down", []plan.Check{check(plan.Fail, plan.ReasonDown, "port.inside smtp at 10.10.10.10:25"), pass("port.inside imap at 10.10.10.10:143"), fail("port.inside pop3 at 10.10.10.10:110"), skip("smtp.banner"), fail("port.outside imap at :143")},
			[]string{"the mail server is down: 3"}},
		{"the stand-in", []plan.Check{check(plan.Warn, plan.ReasonStandIn, "port.inside smtp at 10.10.10.10:25"), fail("port.inside imap at 10.10.10.10:143"), pass("smtp.banner"), smtpOut, arrives},
			[]string{"the mail server does not run (only mailpub's temporary receiver answered): 1 3 4"}},
		{"the certificate of a server that is down", []plan.Check{check(plan.Fail, plan.ReasonDown, "port.inside smtp at 10.10.10.10:25"), check(plan.Skip, plan.ReasonMute, "dane.match _25._tcp.mail"), check(plan.Skip, plan.ReasonSilent, "dane.match _587._tcp.mail")},
			[]string{"the mail server is down: 1"}},
		{"MX to elsewhere", []plan.Check{check(plan.Fail, plan.ReasonAstray, "mail.outside postmaster@nomeazienda.it"), check(plan.Skip, "", "port.source the message"), fail("mx.expected nomeazienda.it"), fail("dns.drift nomeazienda.it. MX"), fail("dns.drift nomeazienda.it. TXT")},
			[]string{"the MX records point to another server: 0 1 3"}},
		{"MX to elsewhere as well", []plan.Check{fail("mail.outside postmaster@nomeazienda.it"), check(plan.Skip, "", "port.source the message"), fail("mx.expected nomeazienda.it")}, nil},
		{"a zone that the world does not see", []plan.Check{fail("mx.expected nomeazienda.it"), check(plan.Fail, plan.ReasonElsewhere, "dns.written nomeazienda.it"), fail("dns.drift nomeazienda.it. MX"), fail("host.a mail.nomeazienda.it A"), fail("host.ptr 2.2.2.2"), fail("mx.exists altra.it")},
			[]string{"zone nomeazienda.it is written where the delegated name servers do not get it from: 0 2 3"}},
		{"a silent zone", []plan.Check{skip("dns.zone nomeazienda.it"), skip("mx.exists nomeazienda.it"), skip("spf.pass 2.2.2.2 as mail.nomeazienda.it"), skip("host.ptr 2.2.2.2"), skip("mx.exists altra-nomeazienda.it")},
			[]string{"no name server of nomeazienda.it answers: 1 2"}},
		{"a lame server", []plan.Check{check(plan.Fail, plan.ReasonPartly, "dns.zone nomeazienda.it"), check(plan.Warn, plan.ReasonPartly, "mx.exists nomeazienda.it"), fail("mx.target nomeazienda.it MX x"), check(plan.Warn, plan.ReasonPartly, "mx.exists nomeazienda.example")},
			[]string{"a name server of nomeazienda.it does not answer for it: 1"}},
		{"two causes, each its own", []plan.Check{check(plan.Fail, plan.ReasonDown, "port.inside smtp at 10.10.10.10:25"), skip("smtp.banner"), fail("router.gateway"), skip("router.wan"), smtpOut},
			[]string{"no router answers: 3 4", "the mail server is down: 1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			report := NewReport("office", test.checks)
			for _, cause := range report.Causes {
				says := cause.Says + ":"
				for _, i := range cause.Consequences {
					says += fmt.Sprintf(" %d", i)
					if c := report.Checks[i]; c.Cause != test.checks[cause.Check].ID ||
						test.checks[i].Cause != "" {
						t.Errorf("%s has the cause %q, and %q before", c.ID, c.Cause,
							test.checks[i].Cause)
					}
				}

				got = append(got, says)
			}

			if !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

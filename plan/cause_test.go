package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCauses(t *testing.T) {
	check := func(status Status, reason Reason, idAndSubject string) Check {
		id, subject, _ := strings.Cut(idAndSubject, " ")
		return Check{ID: id, Subject: subject, Status: status, Reason: reason}
	}
	pass := func(s string) Check { return check(Pass, "", s) }
	fail := func(s string) Check { return check(Fail, "", s) }
	skip := func(s string) Check { return check(Skip, ReasonSilent, s) }
	smtpOut, arrives := fail("port.outside smtp at :25"), fail("mail.outside postmaster@nomeazienda.it")
	for _, test := range []struct {
		name   string
		checks []Check
		want   []string // each "what it says: indices of the consequences"
	}{
		{"all is well", []Check{pass("router.gateway"), pass("mail.local")}, nil},
		{"one failure has no consequences", []Check{pass("router.gateway"), fail("mx.exists nomeazienda.it")}, nil},
		{"no router", []Check{fail("router.gateway"), skip("router.wan"), skip("router.forward tcp/25"), arrives, fail("spf.all nomeazienda.it")},
			[]string{"no router answers: 1 2 3"}},
		{"the router restarted", []Check{pass("router.gateway"), check(Fail, ReasonLost, "router.forward tcp/25"), check(Fail, ReasonLost, "router.forward tcp/143"), smtpOut, arrives},
			[]string{"the router forgot its forwards (it restarted): 2 3 4"}},
		{"the router restarted, and nobody looks from outside", []Check{check(Fail, ReasonLost, "router.forward tcp/25"), check(Fail, ReasonLost, "router.forward tcp/143"), check(Skip, ReasonUnseen, "port.outside every forward"), check(Skip, ReasonUnseen, "mail.outside a message")},
			[]string{"the router forgot its forwards (it restarted): 1"}},
		{"one forward is gone", []Check{check(Fail, ReasonLost, "router.forward tcp/25"), pass("router.forward tcp/143"), smtpOut, fail("port.outside imap at :143"), arrives},
			[]string{"the router does not let tcp/25 through to the server: 2 4"}},
		{"one forward leads elsewhere, which others don't need", []Check{fail("router.forward tcp/143"), pass("router.forward tcp/25"), smtpOut, arrives}, nil},
		{"double NAT", []Check{fail("router.wan"), fail("router.address"), fail("host.a mail.nomeazienda.it A"), smtpOut},
			[]string{"the router is behind another one (double NAT): 1 3"}},
		{"the address changed", []Check{fail("router.address"), fail("host.a mail.nomeazienda.it A"), fail("host.ptr 2.2.2.9"), fail("spf.pass 2.2.2.9"), fail("dkim.record x"), arrives},
			[]string{"the public address is not the one that DNS has (it changed): 1 2 3 5"}},
		{"nothing is published yet", []Check{check(Fail, ReasonAbsent, "router.address"), fail("host.a mail.nomeazienda.it A"), fail("host.ptr 2.2.2.9"), fail("mx.exists nomeazienda.it")},
			[]string{"DNS has no address of the mail host: 1"}},
		{"the server is down", []Check{check(Fail, ReasonDown, "port.inside smtp at 10.10.10.10:25"), fail("port.inside imap at 10.10.10.10:143"), skip("smtp.banner"), skip("relay.open"), smtpOut, skip("host.a x")},
			[]string{"the mail server is down: 1 2 3 4"}},
		{"only SMTP is down", []Check{check(Fail, ReasonDown, "port.inside smtp at 10.10.10.10:25"), pass("port.inside imap at 10.10.10.10:143"), fail("port.inside pop3 at 10.10.10.10:110"), skip("smtp.banner"), fail("port.outside imap at :143")},
			[]string{"the mail server is down: 3"}},
		{"the stand-in", []Check{check(Warn, ReasonStandIn, "port.inside smtp at 10.10.10.10:25"), fail("port.inside imap at 10.10.10.10:143"), pass("smtp.banner"), smtpOut, arrives},
			[]string{"the mail server does not run (only mailpub's stand-in answered): 1 3 4"}},
		{"the certificate of a server that is down", []Check{check(Fail, ReasonDown, "port.inside smtp at 10.10.10.10:25"), check(Skip, ReasonMute, "dane.match _25._tcp.mail"), check(Skip, ReasonSilent, "dane.match _587._tcp.mail")},
			[]string{"the mail server is down: 1"}},
		{"MX to elsewhere", []Check{check(Fail, ReasonAstray, "mail.outside postmaster@nomeazienda.it"), check(Skip, "", "port.source the message"), fail("mx.expected nomeazienda.it"), fail("dns.drift nomeazienda.it. MX"), fail("dns.drift nomeazienda.it. TXT")},
			[]string{"the MX records lead mail elsewhere: 0 1 3"}},
		{"MX to elsewhere as well", []Check{fail("mail.outside postmaster@nomeazienda.it"), check(Skip, "", "port.source the message"), fail("mx.expected nomeazienda.it")}, nil},
		{"a silent zone", []Check{skip("dns.zone nomeazienda.it"), skip("mx.exists nomeazienda.it"), skip("spf.pass 2.2.2.2 as mail.nomeazienda.it"), skip("host.ptr 2.2.2.2"), skip("mx.exists altra-nomeazienda.it")},
			[]string{"no name server of nomeazienda.it answers: 1 2"}},
		{"a lame server", []Check{check(Fail, ReasonPartly, "dns.zone nomeazienda.it"), check(Warn, ReasonPartly, "mx.exists nomeazienda.it"), fail("mx.target nomeazienda.it MX x"), check(Warn, ReasonPartly, "mx.exists nomeazienda.example")},
			[]string{"a name server of nomeazienda.it does not answer for it: 1"}},
		{"two causes, each its own", []Check{check(Fail, ReasonDown, "port.inside smtp at 10.10.10.10:25"), skip("smtp.banner"), fail("router.gateway"), skip("router.wan"), smtpOut},
			[]string{"no router answers: 3 4", "the mail server is down: 1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, cause := range Causes(test.checks) {
				says := cause.Says + ":"
				for _, i := range cause.Consequences {
					says += fmt.Sprintf(" %d", i)
					if test.checks[i].Cause != test.checks[cause.Check].ID {
						t.Errorf("%s has the cause %q", test.checks[i].ID, test.checks[i].Cause)
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

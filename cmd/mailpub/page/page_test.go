package page

import (
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// office is a site that is well.
func office() Site {
	pass := func(ids ...string) (checks []plan.Check) {
		for _, id := range ids {
			checks = append(checks, plan.Check{
				ID:      id,
				Subject: plan.About("nomeazienda.it"),
				Status:  plan.Pass,
				Got:     "as wanted",
			})
		}

		return checks
	}

	return Site{Snapshot: watch.Snapshot{
		Site:   "office",
		File:   "/etc/mailpub/office.yaml",
		Host:   "mail.nomeazienda.it",
		LAN:    netip.MustParseAddr("10.10.10.10"),
		Public: []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		At:     noon.Add(-time.Minute),
		Took:   1300 * time.Millisecond,
		Next:   noon.Add(14 * time.Minute),
		Report: plan.Report{
			Site: "office",
			Checks: pass("mx.exists", "host.a", "router.forward", "port.inside", "smtp.banner",
				"mail.local", "spf.pass",
				"host.ptr", "port.egress25", "service.delivery", "port.outside",
				"mail.outside", "outbound.delivered", "outbound.spf"),
		},
		Leases: []watch.Lease{{Key: plan.Key{Kind: "forward", Name: "tcp/25"}, Until: noon.Add(42 * time.Minute)},
			{Key: plan.Key{Kind: "forward", Name: "tcp/110"}}},
	}}
}

// set gives the check of an id another outcome.
func set(s *Site, id string, change func(*plan.Check)) {
	for i := range s.Report.Checks {
		if c := &s.Report.Checks[i]; c.ID == id {
			change(c)
		}
	}
}

// unseen makes nobody look at a site from outside.
func unseen(s *Site) {
	for _, id := range []string{"port.outside", "mail.outside", "outbound.delivered",
		"outbound.spf"} {
		set(s, id, func(c *plan.Check) { c.Status = plan.Skip })
	}
}

// rebooted is the office after its router lost its forwards.
func rebooted() Site {
	s := office()
	set(&s, "router.forward", func(c *plan.Check) {
		c.Subject = plan.OfKey(plan.Key{Kind: "forward", Name: "tcp/25"})
		c.Status = plan.Fail
		c.Want = "10.10.10.10:25"
		c.Got = "not there"
		c.Hint = "mailpub apply restores it"
		c.Reason = plan.ReasonLost
	})

	set(&s, "mail.outside", func(c *plan.Check) {
		c.Subject = plan.About("postmaster@nomeazienda.it")
		c.Status = plan.Fail
		c.Want = "arrives"
		c.Got = "2.2.2.2:25 refuses"
		c.Hint = "see the hop"
	})

	s.Report = catalog.NewReport(s.Report.Site, s.Report.Checks)
	s.Report.Changes = []plan.Change{{Target: plan.ParseTarget("router"), Key: plan.Key{Kind: "forward", Name: "tcp/25"}, Action: plan.Create, Reason: "was put in place and is gone"}}
	return s
}

func TestState(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(*Site)
		want     history.State
		headline string
	}{
		{"well", func(*Site) {}, history.Good, "Mail arrives and leaves. No problems found."},
		{"advice", func(s *Site) {
			set(s, "host.a", func(c *plan.Check) {
				c.Status = plan.Warn
				c.Advice = true
			})
		}, history.Good, "Mail arrives and leaves. No problems found."},
		{"warning", func(s *Site) { set(s, "host.a", func(c *plan.Check) { c.Status = plan.Warn }) }, history.Uneasy, "Mail arrives. Some findings need attention."},
		{"difference", func(s *Site) { s.Report.Changes = []plan.Change{{Action: plan.Create}} }, history.Uneasy, "Mail arrives. Some findings need attention."},
		{"by hand, unseen", func(s *Site) { s.Report.Changes = []plan.Change{{Action: plan.Manual, Unseen: true}} }, history.Good, "Mail arrives and leaves. No problems found."},
		{"one failure", func(s *Site) {
			set(s, "smtp.banner", func(c *plan.Check) {
				c.Status = plan.Fail
				c.Got = "says localhost"
			})
		}, history.Bad, "smtp.banner fails: says localhost."},
		{"a cause", func(s *Site) { *s = rebooted() }, history.Bad, "The router forgot its forwards (it restarted)."},
		{"not everything read", func(s *Site) { s.Err = errors.New("zone a: no answer") }, history.Uneasy, "Not everything could be checked: zone a: no answer."},
		{"nothing read", func(s *Site) {
			s.Err = errors.New("no answer")
			s.Report = plan.Report{}
		}, history.Unknown, "Status unknown: no answer."},
		{"the config is wrong now", func(s *Site) { s.Config = errors.New("office.yaml:3: x") }, history.Uneasy, "The config has errors; the former version stays in use: office.yaml:3: x."},
		{"the config was wrong from the start", func(s *Site) {
			s.Took = 0
			s.Report = plan.Report{}
			s.Config = errors.New("office.yaml:3: x")
		}, history.Unknown,
			"The config has errors; the site is not watched: office.yaml:3: x."},
		{"name servers that do not answer", func(s *Site) {
			s.Report.Checks = []plan.Check{{
				ID:     "config.hosts",
				Status: plan.Pass,
			}, {
				ID:     "mx.exists",
				Status: plan.Skip,
				Got:    "the name servers of nomeazienda.it. do not answer",
				Reason: plan.ReasonSilent,
			}}
		}, history.Uneasy, "Not everything could be checked: the name servers of nomeazienda.it. do not answer."},
		{"well, and nobody looked from outside", func(s *Site) { unseen(s) }, history.Good, "No problems found, as far as can be seen from inside."},
		{"well, and no message went out", func(s *Site) {
			set(s, "outbound.delivered", func(c *plan.Check) { c.Status = plan.Skip })
		}, history.Good, "Mail arrives. No problems found; the way out was checked from inside only."},
		{"well, and a message went out alone", func(s *Site) {
			for _, id := range []string{"port.outside", "mail.outside"} {
				set(s, id, func(c *plan.Check) { c.Status = plan.Skip })
			}
		}, history.Good, "Mail leaves. No problems found; the way in was checked from inside only."},
		{"well, and one of two mailboxes could not be used", func(s *Site) {
			s.Report.Checks = append(s.Report.Checks, plan.Check{ID: "outbound.delivered", Subject: plan.About("to another"), Status: plan.Skip, Got: "the login is refused"})
		}, history.Good, "Mail arrives and leaves. No problems found."},
		{"warning, and nobody looked from outside", func(s *Site) {
			unseen(s)
			set(s, "host.a", func(c *plan.Check) { c.Status = plan.Warn })
		}, history.Uneasy, "Some findings need attention. Whether mail arrives from outside is unknown."},
		{"standby", func(s *Site) { s.Standby = true }, history.Unknown, "Another mailpub watches this site; this one is on standby."},
		{"new", func(s *Site) {
			s.Took = 0
			s.Report = plan.Report{}
		}, history.Unknown, "Not checked yet."},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := office()
			c.change(&s)
			if got := s.State(); got != c.want {
				t.Errorf("state %d, want %d", got, c.want)
			}

			if got := s.Headline(); got != c.headline {
				t.Errorf("%q, want %q", got, c.headline)
			}
		})
	}
}

// healths spells a way as one sign a station.
func healths(w mailPath) string {
	var b strings.Builder
	for _, s := range w.Stations {
		b.WriteString(s.Health.mark())
	}
	return b.String()
}

func TestWays(t *testing.T) {
	for _, c := range []struct {
		name    string
		site    func() Site
		in, out string // DNS, router, server, mailbox after the Internet; server, router, name before it
	}{
		{"well", office, "✓✓✓✓✓", "✓✓✓✓"},
		{"no message went out", func() Site {
			s := office()
			set(&s, "outbound.delivered", func(c *plan.Check) { c.Status = plan.Skip })
			return s
		}, "✓✓✓✓✓", "✓✓✓?"},
		{"nobody looked from outside", func() Site {
			s := office()
			unseen(&s)
			return s
		}, "?✓✓✓✓", "✓✓✓?"},
		{"a message out was returned", func() Site {
			s := office()
			set(&s, "outbound.delivered", func(c *plan.Check) {
				c.Status = plan.Fail
				c.Got = "it was returned: 550"
			})
			return s
		}, "✓✓✓✓✓", "✓✗……"},
		{"router rebooted", rebooted, "✓✓✗……", "✓✓✓✓"},
		{"no PTR", func() Site {
			s := office()
			set(&s, "host.ptr", func(c *plan.Check) {
				c.Status = plan.Fail
				c.Got = "none"
			})
			return s
		}, "✓✓✓✓✓", "✓✓✗…"},
		{"SPF differs", func() Site {
			s := office()
			s.Report.Changes = []plan.Change{{Target: plan.ParseTarget("zone nomeazienda.it"), Key: mail.TaggedTXT("nomeazienda.it", "v=spf1"), Action: plan.Update}}
			return s
		}, "✓✓✓✓✓", "✓✓!✓"},
		{"nobody looked", func() Site { return Site{Snapshot: watch.Snapshot{Site: "office"}} }, "?????", "????"},
	} {
		in, out := c.site().paths()
		if healths(in) != c.in || healths(out) != c.out {
			t.Errorf("%s: in %s, want %s; out %s, want %s", c.name, healths(in), c.in,
				healths(out), c.out)
		}
	}
}

// Every check has one place in the picture.
func TestEveryCheckHasItsPlace(t *testing.T) {
	for _, id := range ids() {
		var at []string
		for _, p := range append(inboundHops(), outboundHops()...) {
			if p.has(id) {
				at = append(at, p.name)
			}
		}

		if len(at) != 1 {
			t.Errorf("%s stands at %q", id, at)
		}
	}
}

// The picture that stands alone is XML, whatever the world puts into it.
func TestSVG(t *testing.T) {
	s := rebooted()
	set(&s, "smtp.banner", func(c *plan.Check) {
		c.Status = plan.Fail
		c.Got = "220 </title><script>alert(1)</script>\x1b[31m\x00 & \"quotes\" ünïcödé"
	})

	var b strings.Builder
	if err := WriteSVG(&b, s); err != nil {
		t.Fatal(err)
	}

	d := xml.NewDecoder(strings.NewReader(b.String()))
	boxes := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}

		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}

		if e, ok := token.(xml.StartElement); ok {
			if e.Name.Local == "script" {
				t.Error("a script came in")
			}
			if e.Name.Local == "rect" {
				boxes++
			}
		}
	}

	if boxes != 9 {
		t.Errorf("%d boxes", boxes)
	}
}

func TestWrite(t *testing.T) {
	s := rebooted()
	s.Events = []watch.Event{{Site: "office", At: noon.Add(-time.Minute), Kind: watch.Broke, Text: "the router forgot its forwards <b>"}}
	s.Days = []history.Day{{Start: noon.AddDate(0, 0, -1).Truncate(24 * time.Hour), In: map[history.State]time.Duration{history.Good: 18 * time.Hour, history.Bad: 6 * time.Hour}}}
	var b strings.Builder
	if err := Write(&b, s, noon, "1.2.3"); err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{
		"<title>✗ office: The router forgot its forwards (it restarted).</title>",
		"mail.nomeazienda.it at 10.10.10.10, public address 2.2.2.2",
		"<code>router.forward</code> tcp/25", "mailpub apply restores it",
		"1 more follow from it", "42 min, then it has to be renewed", "until it is removed",
		"Mon 23 Nov: up for 75 % of the time", "No failure for 75 % of the 1 d watched.",
		"forgot its forwards &lt;b&gt;", "mailpub 1.2.3", "12 checks that pass",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in the page", want)
		}
	}

	for _, no := range []string{"<script", "http://", "https://", "src=", "/api/report"} {
		if text := strings.ReplaceAll(b.String(), "http://www.w3.org/2000/svg",
			""); strings.Contains(text, no) {
			t.Errorf("%q is in a page that needs nothing from elsewhere", no)
		}
	}
}

// What was seen from outside stands on the page with its time; without a vantage the page says that there was none.
func TestSeenOutside(t *testing.T) {
	s := office()
	at := noon.Add(-7 * time.Hour)
	subject := plan.Subject{
		Name:    "mario@provider.example",
		Text:    "from postmaster@nomeazienda.it to mario@provider.example",
		Outside: true,
	}

	set(&s, "outbound.delivered", func(c *plan.Check) {
		c.Subject = subject
		c.Got = "arrived in INBOX"
		c.Seen = at
	})

	set(&s, "outbound.spf", func(c *plan.Check) {
		c.Subject = subject
		c.Got = "softfail"
		c.Seen = at
		c.Status = plan.Fail
	})

	set(&s, "mail.outside", func(c *plan.Check) {
		c.Subject = plan.About("postmaster@nomeazienda.it, from mario@provider.example")
		c.Got = "arrived in INBOX; by mx.provider.example from 203.0.113.5 under TLS"
		c.Seen = at
	})

	var b strings.Builder
	if err := Write(&b, s, noon, "test"); err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{"1 of 1 answer",
		"by mx.provider.example from 203.0.113.5 under TLS",
		"delivered arrived in INBOX; spf softfail", "24 Nov 05:00:00",
		`<li class="bad"><span class="mark">✗</span> Message out: from postmaster@nomeazienda.it`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not on the page", want)
		}
	}

	unseen(&s)
	b.Reset()
	if err := Write(&b, s, noon, "test"); err != nil {
		t.Fatal(err)
	}

	if !strings.Contains(b.String(), "as far as can be seen from inside. A mailbox at another provider") ||
		strings.Contains(b.String(), `class="seen"`) {
		t.Error("a page of which nothing was seen outside says otherwise")
	}
}

// english finds words that no Italian page has.
var english = regexp.MustCompile(`\b(the|is|of|and|not|with|from|was|are|checked|shows|mail|checks|to)\b`)

func TestItalian(t *testing.T) {
	s := rebooted()
	s.Language = lang.Italian
	s.Err = errors.New("no answer within 3s")
	set(&s, "router.forward", func(c *plan.Check) {
		c.Got = "not in the router"
		c.Hint = "mailpub apply puts it there"
	})

	set(&s, "mail.outside", func(c *plan.Check) {
		c.Want = "the message arrives"
		c.Got = "no message arrived"
	})

	set(&s, "host.ptr", func(c *plan.Check) {
		c.Status = plan.Skip
		c.Got = "the public address is not known"
	})

	for i := range s.Report.Checks {
		if c := &s.Report.Checks[i]; c.Got == "as wanted" {
			c.Got = "listens"
		}
	}

	s.Report.Changes = []plan.Change{{
		Target: mail.ZoneTarget("nomeazienda.it."),
		Key:    mail.DNSKey("nomeazienda.it.", "MX"),
		Action: plan.Manual,
		Reason: "mail for the domain goes to the mail host",
	}}

	s.Days = []history.Day{{Start: noon, In: map[history.State]time.Duration{history.Good: time.Hour}}}
	s.Events = []watch.Event{
		{At: noon, Kind: watch.Broke, Text: "broken: the mail server is down"},
		{At: noon, Kind: watch.Healed, Text: "well again: router.forward tcp/25", Took: time.Minute},
	}

	var page strings.Builder
	if err := Write(&page, s, noon, "1"); err != nil {
		t.Fatal(err)
	}

	text := page.String()
	for _, want := range []string{
		`<html lang="it">`, "Che cosa non va", "non nel router", "mailpub apply ce lo mette",
		"24 nov 12:00:00",
		"la posta del dominio va all&#39;host di posta", "guasto: il server di posta è fermo",
		"La posta entra",
		"Nessun guasto per il 100 % dei 1 h di sorveglianza.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}

	bare := regexp.MustCompile(`(?s)<style.*?</style>|<code>.*?</code>|<[^>]*>`).ReplaceAllString(text, "\n")
	for line := range strings.Lines(bare) {
		line = strings.ReplaceAll(strings.TrimSpace(line), "mail.", "")
		if english.MatchString(line) {
			t.Errorf("not translated: %s", line)
		}
	}
}

package main

import (
	"encoding/xml"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/explain"
	"github.com/mailpub/mailpub/mailsvc/check"
	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/mailsvc/sts"
	routercheck "github.com/mailpub/mailpub/nat/check"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/dnscheck"
)

// everyChecker returns the checkers of a site that calls for all of them.
func everyChecker() []plan.Checker {
	w := &world{cfg: &config.Config{}, probe: &probe.Client{}, wan: netip.MustParseAddr("2.2.2.2")}
	w.cfg.Server.Public = config.Public{IPv4: "auto", Echo: []string{"192.0.2.1"}}
	policy := mail.Domain{Name: "nomeazienda.it.", MTASTS: mail.MTASTS{Mode: "enforce"}}
	return slices.Concat(
		check.Checkers(check.Facts{Sends: true, Collectors: []string{"pop.example.net"}, Accounts: true, Backups: make([]check.Backup, 1), Mailbox: &check.Mailbox{}}),
		routercheck.Checkers(routercheck.Facts{}), w.outsideChecks(nil), w.publicChecks(),
		dnscheck.Checks(dnscheck.Facts{Zones: []string{"nomeazienda.it"}, BlockLists: []string{"bl.example.net"}, Owned: make([]plan.Entry, 1), Domains: []dnscheck.Domain{{
			DKIM: make([]dnscheck.Selector, 1), Services: make([]mail.Service, 1), Autoconfig: "autoconfig.nomeazienda.it"}}}),
		(&sts.Fetcher{}).Checks([]mail.Domain{policy}))
}

// Every check that can be reported is explained, in its area, and nothing else is.
func TestEveryCheckIsExplained(t *testing.T) {
	reported := map[string]bool{}
	for _, c := range everyChecker() {
		for _, id := range slices.Concat(c.IDs, c.Also) {
			reported[id] = true
			if explain.Area(id) != c.Area {
				t.Errorf("%s is of area %q, explained as of %q", id, c.Area, explain.Area(id))
			}
		}
	}
	for _, id := range explain.IDs() {
		if !reported[id] {
			t.Errorf("%s is explained, but nothing reports it", id)
		}
	}
}

func TestJUnit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.xml")
	err := writeJUnit(path, "nomeazienda", []plan.Check{
		{ID: "mx.exists", Subject: "nomeazienda.it", Status: plan.Pass, Got: "10 mail"},
		{ID: "host.ptr", Subject: "2.2.2.2", Status: plan.Fail, Want: "mail", Got: "host-2 <a&b>\x00", Hint: "ask", Cause: "router.address"},
		{ID: "smtp.vrfy", Subject: "10.10.10.10:25", Status: plan.Warn, Got: "tells", Hint: "switch it off"},
		{ID: "router.wan", Subject: "WAN", Status: plan.Skip, Got: "no answer", Hint: "again"},
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r junitReport
	if err := xml.Unmarshal(data, &r); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	if r.Tests != 4 || r.Failures != 1 || r.Skipped != 1 || len(r.Suites) != 3 || r.Suites[0].Name != "dns" || r.Suites[0].Tests != 2 {
		t.Errorf("%+v", r)
	}
	fail, skip, warn := r.Suites[0].Cases[1], r.Suites[1].Cases[0], r.Suites[2].Cases[0]
	if fail.Failure == nil || !strings.Contains(fail.Failure.Text, "because of: router.address") || !strings.Contains(fail.Failure.Message, "<a&b>") {
		t.Errorf("%+v", fail)
	}
	if skip.Skipped == nil || skip.Skipped.Message != "no answer" || warn.Failure != nil || !strings.Contains(warn.Out, "warning: tells") {
		t.Errorf("%+v %+v", skip, warn)
	}
	if err := writeJUnit(filepath.Join(path, "x"), "", nil); err == nil {
		t.Error("written below a file")
	}
}

func TestKnownCheck(t *testing.T) {
	for _, test := range []struct{ word, want string }{
		{"mx.target", ""}, {"dns", ""},
		{"mx.taget", "did you mean mx.target?"},
		{"routr", "did you mean router?"},
		{"frobnicate", "docs/checks.md"},
	} {
		err := knownCheck("--only", test.word, explain.Areas()...)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.word, err, test.want)
		}
	}
}

// What can't be known for one reason is said once.
func TestShowSkips(t *testing.T) {
	var out strings.Builder
	a := &app{stdio: stdio{out: &out}}
	gone := plan.Check{Subject: "from outside", Status: plan.Skip, Got: "probe https://probe.example.net:8443: connection refused", Hint: "see"}
	var checks []plan.Check
	for _, id := range []string{"port.outside", "host.a", "port.undeclared", "mail.outside"} {
		c := gone
		if c.ID = id; id == "host.a" {
			c = plan.Check{ID: id, Subject: "mail.nomeazienda.it A", Status: plan.Pass}
		}
		checks = append(checks, c)
	}
	a.showChecks(&out, append(checks, plan.Check{ID: "mail.read", Subject: "mario", Status: plan.Skip, Got: "connection refused", Hint: "see"}))
	want := `skip  port.outside port.undeclared mail.outside  from outside
      why  probe https://probe.example.net:8443: connection refused
      do   see
skip  mail.read  mario
      why  connection refused
      do   see

pass  host.a

Verify: 1 passed, 0 failed, 0 warned, 4 could not be known from here.
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}

// Text is wrapped at the terminal's width, by what is seen and not by octets.
func TestWrap(t *testing.T) {
	for _, test := range []struct {
		columns, indent int
		text, want      string
	}{
		{0, 6, strings.Repeat("word ", 30), strings.Repeat("word ", 18) + "word\n      " + strings.Repeat("word ", 10) + "word"},
		{20, 6, "port.inside smtp.banner", "port.inside\n      smtp.banner"},
		{20, 6, "perché così", "perché così"},
		{20, 6, "perché cosìà più", "perché cosìà\n      più"},
		{20, 6, "one-word-that-is-longer-than-a-line after", "one-word-that-is-longer-than-a-line\n      after"},
	} {
		if got := (look{columns: test.columns}).wrap(test.text, test.indent); got != test.want {
			t.Errorf("%d, %d: %q, want %q", test.columns, test.indent, got, test.want)
		}
	}
}

// What others follow from is named first, and its consequences are indented below it.
func TestShowCauses(t *testing.T) {
	var out strings.Builder
	a := &app{stdio: stdio{out: &out}}
	checks := []plan.Check{
		{ID: "mx.exists", Subject: "nomeazienda.it", Status: plan.Fail, Got: "none", Hint: "run apply"},
		{ID: "router.forward", Subject: "tcp/25", Status: plan.Fail, Got: "not in the router any more", Hint: "run apply", Reason: plan.ReasonLost},
		{ID: "router.forward", Subject: "tcp/143", Status: plan.Fail, Got: "not in the router any more", Hint: "run apply", Reason: plan.ReasonLost},
		{ID: "mail.outside", Subject: "postmaster@nomeazienda.it", Status: plan.Fail, Got: "TCP: no answer in time", Hint: "see"},
	}
	a.showChecks(&out, checks)
	want := `cause: the router forgot its forwards (it restarted)
FAIL  router.forward  tcp/25
      got  not in the router any more
      do   run apply
      FAIL  router.forward  tcp/143: not in the router any more
      FAIL  mail.outside  postmaster@nomeazienda.it: TCP: no answer in time

FAIL  mx.exists  nomeazienda.it
      got  none
      do   run apply

Verify: 0 passed, 4 failed, 0 warned, 0 could not be known from here.
  next: mailpub verify --explain router.forward
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}

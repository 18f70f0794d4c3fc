package term

import (
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// What can't be known for one reason is said once.
func TestShowSkips(t *testing.T) {
	var out strings.Builder
	u := &UI{Out: &out}
	gone := plan.Check{
		Subject: plan.About("from outside"),
		Status:  plan.Skip,
		Got:     "probe https://probe.example.net:8443: connection refused",
		Hint:    "see",
	}

	var checks []plan.Check
	for _, id := range []string{"port.outside", "host.a", "port.undeclared", "mail.outside"} {
		c := gone
		if c.ID = id; id == "host.a" {
			c = plan.Check{
				ID:      id,
				Subject: plan.About("mail.nomeazienda.it A"),
				Status:  plan.Pass,
			}
		}

		checks = append(checks, c)
	}

	ShowChecks(u, catalog.NewReport("office", append(checks, plan.Check{
		ID:      "mail.read",
		Subject: plan.About("mario"),
		Status:  plan.Skip,
		Got:     "connection refused",
		Hint:    "see",
	})))

	want := `skip  port.outside port.undeclared mail.outside  from outside
      why  probe https://probe.example.net:8443: connection refused
      do   see
skip  mail.read  mario
      why  connection refused
      do   see

pass  host.a

Verify: 1 passed, 0 failed, 0 warned, 4 skipped.
`

	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}

// "Passed" counts what was checked; what is not used is named and counted apart.
func TestShowUnused(t *testing.T) {
	var out strings.Builder
	checks := []plan.Check{
		{ID: "host.a", Subject: plan.About("mail.nomeazienda.it A"), Status: plan.Pass},
		{ID: "tlsrpt.record", Subject: plan.About("_smtp._tls.nomeazienda.it"), Status: plan.Pass, Unused: true},
		{ID: "sts.record", Subject: plan.About("_mta-sts.nomeazienda.it"), Status: plan.Pass, Unused: true},
		{ID: "sts.record", Subject: plan.About("_mta-sts.example.org"), Status: plan.Pass},
	}

	ShowChecks(&UI{Out: &out}, catalog.NewReport("office", checks))
	want := `pass  host.a sts.record
not used  tlsrpt.record

Verify: 2 passed, 0 failed, 0 warned, 0 skipped, 2 not used.
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
		if got := (Style{Columns: test.columns}).Wrap(test.text,
			test.indent); got != test.want {
			t.Errorf("%d, %d: %q, want %q", test.columns, test.indent, got, test.want)
		}
	}
}

// What others follow from is named first, and its consequences are indented below it.
func TestShowCauses(t *testing.T) {
	var out strings.Builder
	u := &UI{Out: &out}
	checks := []plan.Check{
		{ID: "mx.exists", Subject: plan.About("nomeazienda.it"), Status: plan.Fail, Got: "none", Hint: "run apply"},
		{ID: "router.forward", Subject: plan.About("tcp/25"), Status: plan.Fail, Got: "not in the router any more", Hint: "run apply", Reason: plan.ReasonLost},
		{ID: "router.forward", Subject: plan.About("tcp/143"), Status: plan.Fail, Got: "not in the router any more", Hint: "run apply", Reason: plan.ReasonLost},
		{ID: "mail.outside", Subject: plan.About("postmaster@nomeazienda.it"), Status: plan.Fail, Got: "TCP: no answer in time", Hint: "see"},
	}

	ShowChecks(u, catalog.NewReport("office", checks))
	want := `cause: the router forgot its forwards (it restarted)
FAIL  router.forward  tcp/25
      got  not in the router any more
      do   run apply
      FAIL  router.forward  tcp/143: not in the router any more
      FAIL  mail.outside  postmaster@nomeazienda.it: TCP: no answer in time

FAIL  mx.exists  nomeazienda.it
      got  none
      do   run apply

Verify: 0 passed, 4 failed, 0 warned, 0 skipped.
  next: mailpub verify --explain router.forward
`

	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}

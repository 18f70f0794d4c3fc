package export

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
)

func TestJUnit(t *testing.T) {
	report := &plan.Report{Site: "nomeazienda", Checks: []plan.Check{
		{ID: "mx.exists", Subject: plan.About("nomeazienda.it"), Status: plan.Pass, Got: "10 mail"},
		{ID: "host.ptr", Subject: plan.About("2.2.2.2"), Status: plan.Fail, Want: "mail", Got: "host-2 <a&b>\x00", Hint: "ask", Cause: "router.address"},
		{ID: "smtp.vrfy", Subject: plan.About("10.10.10.10:25"), Status: plan.Warn, Got: "tells", Hint: "switch it off"},
		{ID: "router.wan", Subject: plan.About("WAN"), Status: plan.Skip, Got: "no answer", Hint: "again"},
	}}

	r := asJUnit(t, Document{
		Command: "verify",
		Results: []Result{{Site: "nomeazienda", Report: report}},
	})

	if r.Name != "mailpub verify nomeazienda" {
		t.Errorf("the name is %q", r.Name)
	}

	if r.Tests != 4 || r.Failures != 1 || r.Skipped != 1 || len(r.Suites) != 3 ||
		r.Suites[0].Name != "dns" || r.Suites[0].Tests != 2 {
		t.Errorf("%+v", r)
	}

	fail := r.Suites[0].Cases[1]
	skip := r.Suites[1].Cases[0]
	warn := r.Suites[2].Cases[0]

	if fail.Failure == nil || !strings.Contains(fail.Failure.Text,
		"because of: router.address") || !strings.Contains(fail.Failure.Message, "<a&b>") {
		t.Errorf("%+v", fail)
	}

	if skip.Skipped == nil || skip.Skipped.Message != "no answer" || warn.Failure != nil ||
		!strings.Contains(warn.Out, "warning: tells") {
		t.Errorf("%+v %+v", skip, warn)
	}
}

// asJUnit writes a document and reads it back.
func asJUnit(t *testing.T, d Document) (r JUnitReport) {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, JUnit, d); err != nil {
		t.Fatal(err)
	}

	if err := xml.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}

	return r
}

// Changes fail, what could not be read is an error, and a site without either has a case that passes.
func TestJUnitChanges(t *testing.T) {
	changes := []plan.Change{
		{Target: plan.ParseTarget("zone nomeazienda.it"), Key: plan.Key{Kind: "dns", Name: "nomeazienda.it. MX"}, Action: plan.Create, After: []string{"10 mail"}, Reason: "mail"},
		{Target: plan.ParseTarget("router"), Key: plan.Key{Kind: "forward", Name: "tcp/25"}, Action: plan.Unreadable, Reason: "no answer"},
	}

	r := asJUnit(t, Document{Command: "plan", Results: []Result{
		{Site: "one", Plan: &plan.Plan{Site: "one", Changes: changes}, Errors: []error{errors.New("zone x: refused")}, File: "one.yaml"},
		{Site: "two", Plan: &plan.Plan{Site: "two", Unchanged: 3}},
		{File: "three.yaml", Mistakes: []Mistake{{"three.yaml", 7, "is not an address"}}},
	}})

	if r.Tests != 5 || r.Failures != 1 || r.Errors != 3 {
		t.Errorf("%+v", r)
	}

	var names []string
	for _, s := range r.Suites {
		names = append(names, s.Name)
	}

	if got := strings.Join(names, ", "); got != "one changes, one errors, two changes, three.yaml errors" {
		t.Errorf("the suites are %s", got)
	}
}

package term

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
)

func TestJUnit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.xml")
	err := WriteJUnit(path, plan.Report{Site: "nomeazienda", Checks: []plan.Check{
		{ID: "mx.exists", Subject: plan.About("nomeazienda.it"), Status: plan.Pass, Got: "10 mail"},
		{ID: "host.ptr", Subject: plan.About("2.2.2.2"), Status: plan.Fail, Want: "mail", Got: "host-2 <a&b>\x00", Hint: "ask", Cause: "router.address"},
		{ID: "smtp.vrfy", Subject: plan.About("10.10.10.10:25"), Status: plan.Warn, Got: "tells", Hint: "switch it off"},
		{ID: "router.wan", Subject: plan.About("WAN"), Status: plan.Skip, Got: "no answer", Hint: "again"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r JUnitReport
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
	if err := WriteJUnit(filepath.Join(path, "x"), plan.Report{}); err == nil {
		t.Error("written below a file")
	}
}

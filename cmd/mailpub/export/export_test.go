package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// example has one of everything that a result can hold.
func example() Document {
	changes := []plan.Change{
		{Target: plan.ParseTarget("zone nomeazienda.it"), Key: plan.Key{Kind: "dns", Name: "nomeazienda.it. MX"}, Action: plan.Update, Adopt: true, Before: []string{"10 old.example. ttl 300"}, After: []string{"10 mail.nomeazienda.it. ttl 3600"}, Reason: "mail for the domain goes to the mail host"},
		{Target: plan.ParseTarget("zone nomeazienda.it"), Key: plan.Key{Kind: "dns", Name: "nomeazienda.it. TXT v=spf1"}, Action: plan.Create, After: []string{`"v=spf1 mx | <b>@octocat</b> -all"`}, Reason: "a|b\nc"},
		{Target: plan.ParseTarget("router"), Key: plan.Key{Kind: "forward", Name: "tcp/25"}, Action: plan.Unreadable, Reason: "the router does not answer"},
		{Target: plan.ParseTarget("router"), Key: plan.Key{Kind: "forward", Name: "tcp/143"}, Action: plan.Manual, After: []string{"10.10.10.10:143"}, Reason: "forward it"},
		{Target: plan.ParseTarget("router"), Key: plan.Key{Kind: "forward", Name: "tcp/80"}, Action: plan.Delete, Before: []string{"10.10.10.10:80"}, Reason: "no longer wanted"},
	}

	checks := []plan.Check{
		{ID: "host.ptr", Subject: plan.About("2.2.2.2"), Status: plan.Fail, Want: "mail.nomeazienda.it.", Got: "host-2.example.", Hint: "ask the provider"},
		{ID: "host.a", Subject: plan.About("mail.nomeazienda.it A"), Status: plan.Pass, Want: "2.2.2.2", Got: "2.2.2.2"},
		{ID: "sts.record", Subject: plan.About("_mta-sts.nomeazienda.it"), Status: plan.Pass, Unused: true, Got: "none"},
		{ID: "dmarc.policy", Subject: plan.About("_dmarc.nomeazienda.it"), Status: plan.Warn, Advice: true, Got: "none", Hint: "publish one"},
		{ID: "smtp.vrfy", Subject: plan.About("10.10.10.10:25"), Status: plan.Warn, Got: "tells", Hint: "switch it off"},
		{ID: "list.dnsbl", Subject: plan.About("2.2.2.2"), Status: plan.Warn, Advice: true, Got: "listed", Hint: "ask", Ignored: &plan.Ignored{Until: "2027-01-31", Why: "asked for removal", Status: plan.Fail}},
		{ID: "port.outside", Subject: plan.About("every forward"), Status: plan.Skip, Got: "no probe is in the config", Hint: "name one"},
	}

	report := catalog.NewReport("nomeazienda", checks)
	report.Changes = changes
	report.Drift = true
	line := func(target plan.Target, check plan.Check) int {
		if target.Kind == "router" {
			return 12
		}
		return 0
	}

	return Document{Command: "drift", Version: "v0.1.0", Results: []Result{
		{Site: "nomeazienda", File: "sites/nome azienda.yaml", Plan: &plan.Plan{Site: "nomeazienda", Changes: changes, Unchanged: 4, Scope: []string{"dns"}, Effects: []plan.Effect{{Target: plan.ParseTarget("service"), Text: "root's mail stays here"}}},
			Errors: []error{errors.New("zone nomeazienda.it: refused")}, Line: line},
		{Site: "nomeazienda", File: "/etc/mailpub/a.yaml", Report: &report},
		{File: "wrong.yaml", Mistakes: []Mistake{{"wrong.yaml", 7, "server.address: is not an address"}}},
		{Site: "well", File: "well.yaml", Report: &plan.Report{Site: "well", Drift: true}},
	}}
}

// SARIF is what its schema says, and each result has the kind and level of what was found.
func TestSARIF(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, SARIF, example()); err != nil {
		t.Fatal(err)
	}

	validate(t, "testdata/sarif-schema-2.1.0.json", out.Bytes())

	var log sarifLog
	if err := json.Unmarshal(out.Bytes(), &log); err != nil {
		t.Fatal(err)
	}

	if len(log.Runs) != 4 {
		t.Fatalf("%d runs", len(log.Runs))
	}

	ids := map[string]bool{}
	var got []string
	for _, run := range log.Runs {
		if ids[run.Automation.ID] && run.Automation.ID != "mailpub-drift/nomeazienda" {
			t.Errorf("two runs are called %s", run.Automation.ID)
		}

		ids[run.Automation.ID] = true
		for _, r := range run.Results {
			if rule := run.Tool.Driver.Rules[r.RuleIndex]; rule.ID != r.RuleID ||
				rule.Short.Text == "" || rule.Full.Text == "" || rule.Help.Text == "" {
				t.Errorf("the rule of %s is %+v", r.RuleID, rule)
			}
			got = append(got, r.RuleID+" "+r.Kind+" "+r.Level)
		}
	}

	planned := "plan.update fail warning;plan.create fail warning;plan.unreadable fail error;plan.manual fail note;plan.delete fail warning;"
	want := planned + planned + "host.ptr fail error;host.a pass none;sts.record notApplicable none;dmarc.policy fail note;smtp.vrfy fail warning;list.dnsbl fail warning;port.outside open none"
	if is := strings.Join(got, ";"); is != want {
		t.Errorf("the results are\n%s\nwant\n%s", is, want)
	}

	if log.Runs[0].Calls[0].Successful || !log.Runs[1].Calls[0].Successful ||
		log.Runs[2].Calls[0].Successful || !log.Runs[3].Calls[0].Successful {
		t.Error("a run that could not read everything is called successful, or the other way round")
	}

	at := log.Runs[0].Results[2].Locations[0].Physical
	if at.Artifact.URI != "sites/nome%20azienda.yaml" || at.Region.Line != 12 {
		t.Errorf("the place is %+v", at)
	}

	if notice := log.Runs[2].Calls[0].Notices[0]; notice.Locations[0].Physical.Region.Line != 7 {
		t.Errorf("the notice is %+v", notice)
	}

	if s := log.Runs[1].Results[10].Suppressions; len(s) != 1 ||
		!strings.Contains(s[0].Why, "asked for removal") {
		t.Errorf("the suppressions of what is ignored are %+v", s)
	}
}

// validate fails where a document is not as a schema in a file says.
func validate(t *testing.T, schema string, document []byte) {
	t.Helper()
	file, err := os.ReadFile(schema)
	if err != nil {
		t.Fatal(err)
	}

	rules, err := jsonschema.UnmarshalJSON(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}

	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", rules); err != nil {
		t.Fatal(err)
	}

	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}

	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}

	if err := compiled.Validate(v); err != nil {
		t.Errorf("%v in\n%s", err, document)
	}
}

// Markdown stays one table row a change whatever the text holds, mentions nobody, and says first what could not
// be read.
func TestMarkdown(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, Markdown, example()); err != nil {
		t.Fatal(err)
	}

	text := out.String()
	for _, want := range []string{
		"<!-- mailpub drift -->\n",
		"> [!CAUTION]\n> Not everything could be read",
		"1 to add, 1 to change, 1 to remove, 1 manual, 1 not readable, 4 up to date.",
		"Only a part of the site was planned: dns.",
		"**Not mailpub's: needs `--adopt`.**",
		"| 🟢 add | zone nomeazienda.it | <code>nomeazienda.it. TXT v=spf1</code> |  | <code>\"v=spf1 mx &#124; &#60;b&#62;&#64;octocat&#60;/b&#62; -all\"</code> | a&#124;b c |\n",
		"| ❔ not readable | router | <code>tcp/25</code> | not known | not known |",
		"**1 passed, 1 failed, 2 warned, 1 skipped, 1 not used, 1 ignored.**",
		"ignored until 2027-01-31: asked for removal",
		"> - wrong.yaml:7: server.address: is not an address",
		"## mailpub drift: well\n\n**No changes.**",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}

	if strings.Contains(text, "<b>") || strings.Contains(text, "@octocat") {
		t.Errorf("text from outside is markup:\n%s", text)
	}

	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != 7 &&
			strings.Count(line, "|") != 6 {
			t.Errorf("a row with other cells: %s", line)
		}
	}
}

// A document that is too long for a comment is cut at a line, with all folds closed, and says so.
func TestMarkdownShort(t *testing.T) {
	var checks []plan.Check
	for range 1000 {
		checks = append(checks, plan.Check{
			ID:      "port.outside",
			Subject: plan.About(strings.Repeat("x", 60)),
			Status:  plan.Skip,
			Got:     "no probe",
			Hint:    "name one",
		})
	}

	var out bytes.Buffer
	if err := Write(&out, Markdown, Document{
		Command: "verify",
		Results: []Result{{Site: "s", Report: &plan.Report{Checks: checks}}},
	}); err != nil {
		t.Fatal(err)
	}

	text := out.String()
	if out.Len() > 65_000 || !strings.Contains(text, "**Cut off here") ||
		strings.Count(text, "<details>") != strings.Count(text, "</details>") {
		t.Errorf("%d octets, ending in %q", out.Len(), text[len(text)-300:])
	}

	if err := Write(&out, "xml", Document{}); err == nil ||
		!strings.Contains(err.Error(), "want one of markdown, junit, sarif") {
		t.Errorf("an unknown format: %v", err)
	}
}

package export

import (
	"cmp"
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// home is where mailpub and its documents are.
const home = "https://github.com/mailpub/mailpub"

// What follows is the part of SARIF 2.1.0 (OASIS) that code scanning reads.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool         `json:"tool"`
		Automation sarifAutomation   `json:"automationDetails"`
		Calls      []sarifInvocation `json:"invocations"`
		Results    []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		URI     string      `json:"informationUri"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
		Full  sarifText `json:"fullDescription"`
		Help  sarifText `json:"help"`
		URI   string    `json:"helpUri"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifAutomation struct {
		ID string `json:"id"`
	}
	sarifInvocation struct {
		Successful bool          `json:"executionSuccessful"`
		Notices    []sarifNotice `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotice struct {
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Kind         string             `json:"kind"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Prints       map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifSuppression struct {
		Kind   string `json:"kind"`
		Status string `json:"status"`
		Why    string `json:"justification"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
)

// writeSARIF writes a run for each site.
func writeSARIF(w io.Writer, d Document) error {
	log := sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{},
	}

	for _, r := range d.Results {
		log.Runs = append(log.Runs, sarifOf(d, r))
	}

	data, err := json.MarshalIndent(log, "", "  ")
	if err != nil {
		return err
	}

	_, err = w.Write(append(data, '\n'))
	return err
}

func sarifOf(d Document, r Result) sarifRun {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name:    "mailpub",
			Version: d.Version,
			URI:     home,
			Rules:   []sarifRule{},
		}},
		Automation: sarifAutomation{"mailpub-" + d.Command + "/" + r.name()},
		Results:    []sarifResult{},
	}

	call := sarifInvocation{Successful: true}
	for _, m := range r.errors() {
		call.Successful = false
		call.Notices = append(call.Notices, sarifNotice{"error", sarifText{m.Text},
			[]sarifLocation{place(cmp.Or(m.File, r.File), max(m.Line, 1), "")}})
	}

	run.Calls = []sarifInvocation{call}
	for _, c := range r.changes() {
		run.add(changeRule(c.Action), r.changeResult(c))
	}

	for _, c := range r.checks() {
		run.add(checkRule(c.ID), r.checkResult(c))
	}

	return run
}

// add adds a result, and its rule where that is not there yet.
func (run *sarifRun) add(rule sarifRule, result sarifResult) {
	rules := run.Tool.Driver.Rules
	index := 0
	for index < len(rules) && rules[index].ID != rule.ID {
		index++
	}

	if index == len(rules) {
		run.Tool.Driver.Rules = append(rules, rule)
	}

	result.RuleID = rule.ID
	result.RuleIndex = index
	run.Results = append(run.Results, result)
}

func changeRule(a plan.Action) sarifRule {
	text := map[plan.Action]string{
		plan.Create:     "The config asks for something that is missing.",
		plan.Update:     "Something is other than the config asks for.",
		plan.Delete:     "Something that mailpub made is no longer in the config.",
		plan.Manual:     "Something is other than the config asks for, and only a person can change it.",
		plan.Unreadable: "Something could not be read.",
	}[a]

	return sarifRule{
		ID:    "plan." + string(a),
		Short: sarifText{text},
		Full:  sarifText{text},
		Help:  sarifText{"mailpub plan shows each change, mailpub apply carries them out."},
		URI:   home + "/blob/main/docs/reference/commands.md",
	}
}

func checkRule(id string) sarifRule {
	e, known := catalog.Lookup(id)
	if !known {
		e.Looks = id
		e.Why = id
		e.Mend = "See the hint of the result."
	}

	first, _, _ := strings.Cut(e.Looks, ". ")
	return sarifRule{
		ID:    id,
		Short: sarifText{first},
		Full:  sarifText{e.Looks + " " + e.Why},
		Help:  sarifText{e.Mend},
		URI:   home + "/blob/main/docs/checks.md",
	}
}

func (r Result) changeResult(c plan.Change) sarifResult {
	level := map[plan.Action]string{plan.Manual: "note", plan.Unreadable: "error"}[c.Action]
	text := verb(c.Action) + " " + c.Key.Name
	if len(c.Before) > 0 && c.Action != plan.Unreadable {
		text += ", now " + strings.Join(c.Before, ", ")
	}

	if len(c.After) > 0 && c.Action != plan.Unreadable {
		text += ", planned " + strings.Join(c.After, ", ")
	}

	return sarifResult{
		Kind:    "fail",
		Level:   cmp.Or(level, "warning"),
		Message: sarifText{text + ". " + c.Reason},
		Locations: []sarifLocation{place(r.File, r.line(c.Target, plan.Check{}),
			c.Key.String())},
		Prints: map[string]string{"mailpub/v1": c.Key.String()},
	}
}

func (r Result) checkResult(c plan.Check) sarifResult {
	out := sarifResult{
		Kind:      "fail",
		Message:   sarifText{c.Subject.String() + ": " + c.Got},
		Locations: []sarifLocation{place(r.File, r.line(plan.Target{}, c), c.Subject.String())},
		Prints:    map[string]string{"mailpub/v1": c.ID + " " + c.Subject.String()},
	}

	if c.Want != "" && c.Status != plan.Skip {
		out.Message.Text += ", want " + c.Want
	}

	if c.Hint != "" {
		out.Message.Text += ". To do: " + c.Hint
	}

	switch {
	case c.Status == plan.Fail:
		out.Level = "error"
	case c.Status == plan.Warn && c.Advice && c.Ignored == nil:
		out.Level = "note"
	case c.Status == plan.Warn:
		out.Level = "warning"
	case c.Status == plan.Pass && c.Unused:
		out.Kind = "notApplicable"
		out.Level = "none"
	case c.Status == plan.Pass:
		out.Kind = "pass"
		out.Level = "none"
	default: // it is not known
		out.Kind = "open"
		out.Level = "none"
	}

	if c.Ignored != nil {
		out.Suppressions = []sarifSuppression{{"external", "accepted", c.Ignored.Why + " (until " + c.Ignored.Until + ")"}}
	}

	return out
}

func place(file string, line int, logical string) sarifLocation {
	l := sarifLocation{Physical: sarifPhysical{sarifArtifact{uri(file)}, sarifRegion{line}}}
	if logical != "" {
		l.Logical = []sarifLogical{{logical}}
	}
	return l
}

// uri is a path as a URI reference: relative to the repository where the path is relative.
func uri(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
		u.Path = "/" + strings.TrimPrefix(u.Path, "/")
	}
	return u.String()
}

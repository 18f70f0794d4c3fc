package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/export"
	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// scenario is one way in which a site can be wrong, made so for real, and what verify has to say
// of it. Ids stand in one string, with spaces between. One that expects nothing wrong is a
// clean relative of others: much like them, and right.
type scenario struct {
	name   string
	fails  string // ids of which a check must fail
	warns  string // ids of which a check must warn, and none fail
	passes string // ids of which every check must pass
	skips  string // ids of which a check must say that it can't be known, and none say worse
	// Ids that may fail or warn as well, as they follow from the same. Whatever else fails or
	// warns is a false alarm, unless verify itself says that one of these is its cause.
	follows string

	published // a site of its own, side by side with the others
	lived     // the one that lives in the lab: broken, looked at, mended
}

// outcome is what became of a scenario.
type outcome struct {
	scenario
	detected, missed, falseAlarms []string
}

// judge compares what verify found with what a scenario expects.
func (s scenario) judge(checks []plan.Check) outcome {
	o := outcome{scenario: s}
	worst := map[string]plan.Status{}
	for _, c := range checks {
		if severity(c.Status) > severity(worst[c.ID]) || worst[c.ID] == "" {
			worst[c.ID] = c.Status
		}
	}

	expect := func(ids string, status plan.Status) {
		for _, id := range strings.Fields(ids) {
			if worst[id] == status {
				o.detected = append(o.detected, id)
			} else {
				o.missed = append(o.missed, fmt.Sprintf("%s is %q, not %q", id, worst[id],
					status))
			}
		}
	}

	expect(s.fails, plan.Fail)
	expect(s.warns, plan.Warn)
	for _, id := range strings.Fields(s.passes) {
		if worst[id] != plan.Pass {
			o.missed = append(o.missed, fmt.Sprintf("%s is %q, not pass", id, worst[id]))
		}
	}

	for _, id := range strings.Fields(s.skips) {
		if worst[id] != plan.Skip {
			o.missed = append(o.missed, fmt.Sprintf("%s is %q, not skip", id, worst[id]))
		}
	}

	known := strings.Fields(s.fails + " " + s.warns + " " + s.follows + " " + s.passes + " " +
		catalog.RouterLoopback)

	for _, c := range checks {
		if (c.Status == plan.Fail || c.Status == plan.Warn) && !slices.Contains(known, c.ID) &&
			!slices.Contains(known, c.Cause) {
			o.falseAlarms = append(o.falseAlarms,
				fmt.Sprintf("%s %s (%s): %s", c.ID, c.Status, c.Subject, c.Got))
		}
	}

	return o
}

// severity orders statuses. A skip hides a pass, and nothing else.
func severity(s plan.Status) int {
	return slices.Index([]plan.Status{plan.Pass, plan.Skip, plan.Warn, plan.Fail}, s)
}

// look runs verify on a host with a config and returns what it found.
func (s *siteInLab) look(t testing.TB, host, config string, only ...string) []plan.Check {
	t.Helper()
	args := []string{s.bin, "-c", config, "--json", "verify"}
	if len(only) > 0 {
		args = append(args, "--only", strings.Join(only, ","))
	}

	out, errs, code := s.on(host, args...)
	var report struct{ Checks []plan.Check }
	if err := json.Unmarshal([]byte(out), &report); err != nil || code == exitFailed {
		t.Fatalf("%q: exit code %d, %v\n%s%s", args, code, err, out, errs)
	}

	return report.Checks
}

// read runs the whole of verify as a person does, and returns what that sees too.
func (s *siteInLab) read(t testing.TB, host, config string) (text string, checks []plan.Check) {
	t.Helper()
	xmlFile := filepath.Join(s.dir, "report.xml")
	text, errs, code := s.on(host, s.bin, "-c", config, "verify", "--junit", xmlFile)
	if code == exitFailed {
		t.Fatalf("verify: %s%s", text, errs)
	}
	return text, s.fromJUnit(t, xmlFile)
}

// fromJUnit reads what verify found where it was run as a person does.
func (s *siteInLab) fromJUnit(t testing.TB, xmlFile string) (checks []plan.Check) {
	t.Helper()
	data, err := os.ReadFile(xmlFile)
	var report export.JUnitReport
	if err == nil {
		err = xml.Unmarshal(data, &report)
	}

	if err != nil {
		t.Fatal(err)
	}

	for _, suite := range report.Suites {
		for _, one := range suite.Cases {
			c := plan.Check{
				ID:      one.Class,
				Subject: plan.About(strings.TrimPrefix(one.Name, one.Class+" ")),
				Status:  plan.Pass,
				Got:     one.Out,
			}

			switch {
			case one.Failure != nil:
				c.Status = plan.Fail
				c.Got = one.Failure.Message
				_, c.Cause, _ = strings.Cut(strings.TrimSpace(one.Failure.Text), "because of: ")
			case one.Skipped != nil:
				c.Status = plan.Skip
				c.Got = one.Skipped.Message
			case strings.HasPrefix(one.Out, "not used: "):
				c.Unused = true
			case one.Out != "":
				c.Status = plan.Warn
				_, c.Cause, _ = strings.Cut(strings.TrimSpace(one.Out), "because of: ")
			}

			checks = append(checks, c)
		}
	}

	return checks
}

// catalogue collects what became of every scenario.
type catalogue struct {
	mu   sync.Mutex
	done []outcome
	seen map[string]string // what a person sees, by scenario, where the docs show it
}

// add judges a scenario, and says what is wrong with it.
func (c *catalogue) add(t *testing.T, s scenario, checks []plan.Check) {
	t.Helper()
	o := s.judge(checks)
	if o.missed != nil || o.falseAlarms != nil {
		t.Errorf("missed: %q\nfalse alarms: %q", o.missed, o.falseAlarms)
		for _, check := range checks {
			if check.Status != plan.Pass || strings.Contains(s.fails+s.warns+s.passes,
				check.ID) {
				t.Logf("%s %s %s: %s", check.Status, check.ID, check.Subject, check.Got)
			}
		}
	}

	for _, check := range checks {
		if check.Hint != "" && lang.Italian.Text(check.Hint) == check.Hint {
			t.Errorf("%s: the hint is not translated: %s", check.ID, check.Hint)
		}
	}

	c.mu.Lock()
	defer c.mu.Unlock()

	c.done = append(c.done, o)
}

// everyScenario returns the catalogue, in its order.
func everyScenario() []scenario {
	return slices.Concat(hostScenarios(), mxScenarios(), spfScenarios(), zoneScenarios(),
		policyScenarios(), clientScenarios(),
		routerScenarios(), portScenarios(), serverScenarios(), messageScenarios(),
		mailboxScenarios())
}

// TestCatalogue measures verify as one measures a detector: each misconfiguration has to be
// found, and nothing else may be alleged.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	c := catalogue{seen: map[string]string{}}
	all := everyScenario()
	covered(t, all)
	t.Run("all", func(t *testing.T) {
		in := newInternet(t)
		tw := in.found(t)
		in.publish(t, all)
		t.Run("published", func(t *testing.T) {
			t.Parallel()
			in.verifyPublished(t, &c, all)
		})

		t.Run("lived", func(t *testing.T) {
			t.Parallel()
			tw.open(t)
			for _, s := range all {
				if s.breaks != nil {
					t.Run(s.name, func(t *testing.T) { tw.try(t, &c, s) })
				}
			}
		})

		for _, s := range all {
			if s.apart != nil {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					c.add(t, s, s.apart(t))
				})
			}
		}
	})

	c.table(t, all)
	c.examples(t, all)
}

// covered sees that every check has a scenario that it finds, and one in which it passes.
func covered(t *testing.T, all []scenario) {
	t.Helper()
	names := map[string]bool{}
	bad := ""
	good := ""
	skipped := ""

	for _, s := range all {
		if names[s.name] {
			t.Errorf("%q is there twice", s.name)
		}
		names[s.name] = true
		bad += s.fails + " " + s.warns + " "
		good += s.passes + " "
		skipped += s.skips + " "
	}

	for _, id := range catalog.IDs() {
		if id == catalog.RouterLoopback { // how the router is, no fault of a site
			continue
		}

		if !slices.Contains(strings.Fields(bad), id) {
			t.Errorf("no scenario makes %s fail or warn", id)
		}

		if !slices.Contains(strings.Fields(good), id) {
			t.Errorf("no scenario has %s pass", id)
		}
	}

	for _, id := range strings.Fields(bad + good + skipped) {
		if catalog.Area(id) == "" {
			t.Errorf("%q is no check", id)
		}
	}

	if len(all) < 80 {
		t.Errorf("%d scenarios, want at least 80", len(all))
	}
}

// table prints the outcome, and compares it with what the docs say.
func (c *catalogue) table(t *testing.T, all []scenario) {
	t.Helper()
	var b strings.Builder
	var detected, missed, alarms, clean, unknown int
	fmt.Fprintf(&b, "| scenario | detected | missed | false alarms |\n|---|---|---|---|\n")

	for _, s := range all {
		i := slices.IndexFunc(c.done, func(o outcome) bool { return o.name == s.name })
		if i < 0 {
			t.Errorf("%q was not tried", s.name)
			continue
		}

		o := c.done[i]
		found := strings.Join(o.detected, " ")
		switch {
		case s.skips != "":
			found = "nothing, as it can't be known from inside: " + s.skips
			unknown++
		case s.fails+s.warns == "":
			found = "nothing, as it is right"
			clean++
		}

		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.name, found, strings.Join(o.missed, "; "),
			strings.Join(o.falseAlarms, "; "))

		detected = detected + len(o.detected)
		missed = missed + len(o.missed)
		alarms = alarms + len(o.falseAlarms)
	}

	total := fmt.Sprintf("%d scenarios, %d of them right, %d not to be known: %d detected, %d missed, %d false alarms",
		len(all), clean, unknown, detected, missed, alarms)

	fmt.Fprintf(&b, "\n%s.\n", total)
	t.Logf("\n%s", b.String())
	if !t.Failed() {
		inDocs(t, "../../docs/catalogue.md", "<!-- table -->\n", b.String())
	}
}

// inDocs compares what stands in a file after a mark, up to "<!-- end of ..." or to the end of the file, with what was
// found, or writes it there.
func inDocs(t *testing.T, path, mark, found string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	head, is, marked := strings.Cut(string(data), mark)
	tail := ""
	if i := strings.Index(is, strings.Replace(mark, "<!-- ", "<!-- end of ", 1)); i >= 0 {
		is, tail = is[:i], is[i:]
	}

	switch {
	case !marked:
		t.Errorf("%s has no %q", path, mark)
	case is == found:
	case *update:
		if err := os.WriteFile(path, []byte(head+mark+found+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not say what was found; go test -run '^%s$' ./cmd/mailpub -update writes it",
			path, t.Name())
	}
}

// lived is how a scenario breaks the site that lives in the lab.
type lived struct {
	only   string // what verify is asked for, beside the ids that are expected
	shows  bool   // the docs show all that verify says
	breaks func(*town)
	apart  func(*testing.T) []plan.Check // in a lab of its own
}

// hasSite reports whether a scenario has a site of its own, outside.
func (s scenario) hasSite() bool { return s.breaks == nil && s.apart == nil }

// examples compares what a person sees with what docs/verify.md shows.
func (c *catalogue) examples(t *testing.T, all []scenario) {
	t.Helper()
	var b strings.Builder
	for _, s := range all {
		if s.shows {
			fmt.Fprintf(&b, "\n## %s%s\n\n```\n$ mailpub verify\n%s```\n",
				strings.ToUpper(s.name[:1]), s.name[1:], steady(c.seen[s.name]))
		}
	}

	if !t.Failed() {
		inDocs(t, "../../docs/verify.md", "<!-- examples -->\n", b.String())
	}
}

// steady puts words in place of what is different each time, and breaks lines anew.
func steady(text string) string {
	for _, change := range [][2]string{
		{`\n {7,}`, " "},
		{`/tmp/mpmail\d+/mail/(\S+)/new/[^\s;,]+`, "/home/$1/Maildir/new/1764000000.M1P1.mail"},
		{`/tmp/[^\s:]*/hosts`, "/etc/hosts"},
		{`queued as [0-9A-F]+`, "queued as 4F2A19C0"},
		{`ESMTP \d+`, "ESMTP"},
	} {
		text = regexp.MustCompile(change[0]).ReplaceAllString(text, change[1])
	}

	begin := regexp.MustCompile(`^( {6}(?:want|got |do  |why ) | {6}(?:FAIL|warn)  \S+  | {6}skip  |pass  )|^ {6}\b`)
	var b strings.Builder
	for line := range strings.Lines(text) {
		head := begin.FindString(line)
		if head == "" {
			b.WriteString(line)
			continue
		}

		indent := len(head)
		if strings.TrimSpace(head) == "" { // what was seen outside
			indent = 8
		}

		b.WriteString(head + term.Style{}.Wrap(line[len(head):], indent) + "\n")
	}

	return b.String()
}

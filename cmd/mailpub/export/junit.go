package export

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// What follows is the part of JUnit's XML that every CI reads.
type (
	JUnitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"` // what could not be found out
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string     `xml:"classname,attr"`
		Name    string     `xml:"name,attr"`
		Skipped *junitText `xml:"skipped"`
		Failure *junitText `xml:"failure"`
		Error   *junitText `xml:"error"`
		Out     string     `xml:"system-out,omitempty"`
	}
	junitText struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes a suite of each area, with a case of each check, and one of what could not be found out; of a
// plan one of its changes. With several sites the suites bear their names.
func writeJUnit(w io.Writer, d Document) error {
	out := JUnitReport{}
	var names []string
	for _, r := range d.Results {
		names = append(names, r.name())
		prefix := ""
		if len(d.Results) > 1 {
			prefix = r.name() + " "
		}

		for _, s := range append(r.checkSuites(), r.changeSuite(), r.errorSuite()) {
			if s.Tests == 0 {
				continue
			}

			s.Name = prefix + s.Name
			out.Tests += s.Tests
			out.Failures += s.Failures
			out.Errors += s.Errors
			out.Skipped += s.Skipped
			out.Suites = append(out.Suites, s)
		}
	}

	out.Name = "mailpub " + d.Command + " " + strings.Join(names, " ")

	data, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}

	_, err = io.WriteString(w, xml.Header+string(data)+"\n")
	return err
}

// checkSuites makes a suite of each area.
func (r Result) checkSuites() (suites []junitSuite) {
	for _, area := range catalog.Areas() {
		s := junitSuite{Name: area}
		for _, c := range r.checks() {
			if catalog.Area(c.ID) == area {
				s.add(checkCase(c))
			}
		}
		suites = append(suites, s)
	}

	return suites
}

// add adds a case to a suite, and counts it.
func (s *junitSuite) add(c junitCase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}

	s.Cases = append(s.Cases, c)
}

func checkCase(c plan.Check) junitCase {
	one := junitCase{Class: c.ID, Name: c.ID + " " + c.Subject.String()}
	switch {
	case c.Status == plan.Fail:
		one.Failure = &junitText{c.Got, junitDetail(c)}
	case c.Status == plan.Skip:
		one.Skipped = &junitText{c.Got, junitDetail(c)}
	case c.Unused:
		one.Out = "not used: " + c.Got
	case c.Ignored != nil:
		one.Skipped = &junitText{"ignored until " + c.Ignored.Until + ": " + c.Ignored.Why,
			junitDetail(c)}
	case c.Status == plan.Warn:
		one.Out = "warning: " + c.Got + "\n" + junitDetail(c)
	}

	return one
}

// changeSuite makes a case of each change, which fails: the site is not as its config. Without any change one case
// passes.
func (r Result) changeSuite() junitSuite {
	s := junitSuite{Name: "changes"}
	for _, c := range r.changes() {
		one := junitCase{Class: c.Target.String(), Name: c.Key.String()}
		detail := &junitText{verb(c.Action) + ": " + c.Reason,
			fmt.Sprintf("now: %s\nplanned: %s\n", strings.Join(c.Before, ", "),
				strings.Join(c.After, ", "))}

		if c.Action == plan.Unreadable {
			detail.Text = ""
			one.Error = detail
		} else {
			one.Failure = detail
		}

		s.add(one)
	}

	looked := r.Plan != nil || r.Report != nil && r.Report.Drift
	if looked && s.Tests == 0 && len(r.errors()) == 0 {
		s.add(junitCase{Class: "changes", Name: "no changes"})
	}

	return s
}

// errorSuite makes a case of each thing that could not be found out.
func (r Result) errorSuite() junitSuite {
	s := junitSuite{Name: "errors"}
	for _, m := range r.errors() {
		name := m.File
		if m.Line > 0 {
			name = fmt.Sprintf("%s:%d", m.File, m.Line)
		}
		s.add(junitCase{Class: "errors", Name: name, Error: &junitText{m.Text, ""}})
	}

	return s
}

func junitDetail(c plan.Check) (text string) {
	for _, part := range [][2]string{{"want", c.Want}, {"got", c.Got}, {"do", c.Hint},
		{"ref", c.Ref}, {"because of", c.Cause}} {
		if part[1] != "" {
			text += fmt.Sprintf("%s: %s\n", part[0], part[1])
		}
	}
	return text
}

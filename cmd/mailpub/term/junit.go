package term

import (
	"encoding/xml"
	"fmt"
	"os"

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
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"` // checks have none
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string     `xml:"classname,attr"`
		Name    string     `xml:"name,attr"`
		Skipped *junitText `xml:"skipped"`
		Failure *junitText `xml:"failure"`
		Out     string     `xml:"system-out,omitempty"`
	}
	junitText struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit makes a suite of each area and a case of each check.
func junit(site string, checks []plan.Check) JUnitReport {
	r := JUnitReport{Name: "mailpub verify " + site}
	for _, area := range catalog.Areas() {
		s := junitSuite{Name: area}
		for _, c := range checks {
			if catalog.Area(c.ID) != area {
				continue
			}
			s.Tests++
			one := junitCase{Class: c.ID, Name: c.ID + " " + c.Subject.String()}
			switch c.Status {
			case plan.Fail:
				s.Failures++
				one.Failure = &junitText{c.Got, junitDetail(c)}
			case plan.Skip:
				s.Skipped++
				one.Skipped = &junitText{c.Got, junitDetail(c)}
			case plan.Warn:
				one.Out = "warning: " + c.Got + "\n" + junitDetail(c)
			}
			s.Cases = append(s.Cases, one)
		}
		if s.Tests == 0 {
			continue
		}
		r.Tests, r.Failures, r.Skipped = r.Tests+s.Tests, r.Failures+s.Failures, r.Skipped+s.Skipped
		r.Suites = append(r.Suites, s)
	}
	return r
}

func junitDetail(c plan.Check) (text string) {
	for _, part := range [][2]string{{"want", c.Want}, {"got", c.Got}, {"do", c.Hint}, {"ref", c.Ref}, {"because of", c.Cause}} {
		if part[1] != "" {
			text += fmt.Sprintf("%s: %s\n", part[0], part[1])
		}
	}
	return text
}

// WriteJUnit writes a report to a file.
func WriteJUnit(path string, r plan.Report) error {
	data, err := xml.MarshalIndent(junit(r.Site, r.Checks), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(xml.Header+string(data)+"\n"), 0o644)
}

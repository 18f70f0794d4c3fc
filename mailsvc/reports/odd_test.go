package reports

import (
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
)

// A reporter's name in another charset, or a text before the report in one, does not cost the report.
func TestOddCharsets(t *testing.T) {
	xml := strings.Replace(aggregate("\xd6sterreich", "1", "2.2.2.2", 3, "pass", "pass"), "UTF-8", "ISO-8859-1", 1)
	message := attached("text/xml", "a.xml", xml)
	for _, message := range []string{message, strings.Replace(message, "text/plain", "text/plain; charset=unknown-8bit", 1)} {
		var f Found
		f.Read(strings.NewReader(message))
		if len(f.DMARC) != 1 || len(f.DMARC[0].Rows) != 1 || len(f.Bad) != 0 {
			t.Errorf("%+v", f)
		}
	}
}

// A report with more records than any has is refused before it fills the memory.
func TestManyRecords(t *testing.T) {
	_, err := parseDMARC([]byte("<feedback>" + strings.Repeat("<record/>", maxRows+1) + "</feedback>"))
	if err == nil || !strings.Contains(err.Error(), "records") {
		t.Error(err)
	}
}

// Failures count where the summary leaves them out, and a report of two policies is one.
func TestTLSSummary(t *testing.T) {
	const policy = `{"policy":{"policy-type":"sts","policy-domain":"nomeazienda.it"},"summary":{"total-successful-session-count":1},"failure-details":[{"result-type":"certificate-expired","failed-session-count":5}]}`
	r, err := parseTLS([]byte(`{"organization-name":"x","report-id":"1","policies":[` + policy + "," + policy + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	f := Found{TLS: []*TLS{r}}
	c := f.failures(site(), "nomeazienda.it")
	if c.Status != plan.Warn || !strings.Contains(c.Got, "2 sessions succeeded and 10 failed, in 1 reports") {
		t.Error(c.Status, c.Got)
	}
}

// A row of no messages says nothing of any, and a number that is too large is a large one.
func TestCounts(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "3": 3, "": 1, "x": 1, "-1": 1, "99999999999999999999": 1e9, " 7 ": 7} {
		if got := count(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// Reports of no message prove nothing; an IPv6 address may stand in brackets.
func TestOddSources(t *testing.T) {
	for source, want := range map[string]plan.Status{"": plan.Skip, "mail.x": plan.Skip, " [2001:db8::1] ": plan.Warn} {
		r, err := parseDMARC([]byte(aggregate("x", "1", source, 3, "pass", "pass")))
		if err != nil {
			t.Fatal(err)
		}
		f := Found{DMARC: []*DMARC{r}}
		if c := f.senders(site(), "nomeazienda.it"); c.Status != want {
			t.Errorf("%q: %v %s", source, c.Status, c.Got)
		}
	}
}

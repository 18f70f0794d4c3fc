package reports

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// A reporter's name in another charset, or a text before the report in one, does not cost the report.
func TestOddCharsets(t *testing.T) {
	xml := strings.Replace(aggregate("\xd6sterreich", "1", "2.2.2.2", 3, "pass", "pass"),
		"UTF-8", "ISO-8859-1", 1)

	message := attached("text/xml", "a.xml", xml)
	for _, message := range []string{message,
		strings.Replace(message, "text/plain", "text/plain; charset=unknown-8bit", 1)} {
		var f Found
		f.Read(strings.NewReader(message), now)
		if len(f.DMARC) != 1 || len(f.DMARC[0].Rows) != 1 || len(f.Bad) != 0 {
			t.Errorf("%+v", f)
		}
	}
}

// A report with more records than any has is refused before it fills the memory.
func TestManyRecords(t *testing.T) {
	_, err := parseDMARC([]byte("<feedback>" + strings.Repeat("<record/>", maxRows+1) +
		"</feedback>"))
	if err == nil || !strings.Contains(err.Error(), "records") {
		t.Error(err)
	}
}

// Failures count where the summary leaves them out, and a report of two policies is one.
func TestTLSSummary(t *testing.T) {
	const policy = `{"policy":{"policy-type":"sts","policy-domain":"nomeazienda.it"},"summary":{"total-successful-session-count":1},"failure-details":[{"result-type":"certificate-expired","failed-session-count":5}]}`
	r, err := parseTLS([]byte(`{"organization-name":"x","report-id":"1","policies":[` +
		policy + "," + policy + `]}`))

	if err != nil {
		t.Fatal(err)
	}

	r.To = now
	f := Found{TLS: []*TLS{r}}
	c := f.failures(site(), "nomeazienda.it")

	if c.Status != plan.Warn || !strings.Contains(c.Got,
		"2 sessions succeeded and 10 failed, in 1 reports") {
		t.Error(c.Status, c.Got)
	}
}

// A row of no messages says nothing of any, and a number that is too large is a large one.
func TestCounts(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "3": 3, "": 1, "x": 1, "-1": 1,
		"99999999999999999999": 1e9, " 7 ": 7} {
		if got := count(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// Reports of no message prove nothing; an IPv6 address may stand in brackets.
func TestOddSources(t *testing.T) {
	for source, want := range map[string]plan.Status{"": plan.Skip, "mail.x": plan.Skip,
		" [2001:db8::1] ": plan.Warn} {
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

// A report whose own dates can't be read, or lie ahead, is as old as the message that brought it; one of no known time
// is not judged.
func TestOddDates(t *testing.T) {
	const tls = `{"organization-name":"x","date-range":{"end-datetime":"END"},"report-id":"1","policies":[{"policy":{"policy-domain":"nomeazienda.it"},"summary":{"total-successful-session-count":3}}]}`
	end := func(text string) string { return strings.ReplaceAll(tls, "END", text) }
	yesterday := now.Add(-24 * time.Hour)

	for _, c := range []struct {
		name, report string
		arrived      time.Time
		counts       bool
	}{
		{"no end, arrived yesterday", end(""), yesterday, true},
		{"no end, arrived last month", end(""), now.AddDate(0, -1, 0), false},
		{"no end, and no arrival", end(""), time.Time{}, false},
		{"a day alone", end("2026-11-28"), now, true},
		{"without a zone", end("2026-11-28 23:59:59"), now, true},
		{"an old day alone", end("2026-10-28"), now, false},
		{"ends years ahead, arrived last month", end("2099-01-01T00:00:00Z"), now.AddDate(0, -1, 0), false},
		{"DMARC without an end", strings.Replace(aggregate("x", "1", "2.2.2.2", 3, "pass", "pass"), fmt.Sprint(now.Add(-24*time.Hour).Unix()), "", 1), now.AddDate(0, -1, 0), false},
		{"DMARC in milliseconds", strings.Replace(aggregate("x", "1", "2.2.2.2", 3, "pass", "pass"), fmt.Sprint(now.Add(-24*time.Hour).Unix()), fmt.Sprint(yesterday.UnixMilli()), 1), now, true},
		{"DMARC with a date", strings.Replace(aggregate("x", "1", "2.2.2.2", 3, "pass", "pass"), fmt.Sprint(now.Add(-24*time.Hour).Unix()), "2026-11-28", 1), now, true},
	} {
		var f Found
		f.ReadFile(strings.NewReader(c.report), c.arrived)
		if got := len(f.Sessions(site()))+len(f.Senders(site())) == 1; got != c.counts {
			t.Errorf("%s: counts is %v, want %v (%v)", c.name, got, c.counts, f.Bad)
		}

		if c.arrived.IsZero() && (len(f.Bad) != 1 ||
			!strings.Contains(f.Bad[0].Error(), "no date")) {
			t.Errorf("%s: %v", c.name, f.Bad)
		}
	}
}

// What the SPF record lists is told from what is unknown, also for a name of its own in the envelope; where that can't
// be looked up, nothing is alleged and nothing passes.
func TestListed(t *testing.T) {
	envelope := func(text, domain string) string {
		return strings.Replace(text, "<spf><domain>nomeazienda.it", "<spf><domain>"+domain, 1)
	}

	for _, c := range []struct {
		name, report, kind string
		err                error
		want               plan.Status
	}{
		{"listed", aggregate("x", "1", "198.51.100.7", 3, "pass", "fail"), Listed, nil, plan.Pass},
		{"listed, and fails", aggregate("x", "1", "198.51.100.7", 3, "fail", "fail"), Listed, nil, plan.Pass},
		{"a service with a name below ours", envelope(aggregate("x", "1", "198.51.100.8", 3, "pass", "pass"), "bounces.nomeazienda.it"), Listed, nil, plan.Pass},
		{"a service with a name of its own", envelope(aggregate("x", "1", "198.51.100.8", 3, "pass", "pass"), "service.example"), Unknown, nil, plan.Warn},
		{"no answer", aggregate("x", "1", "203.0.113.3", 3, "pass", "pass"), Unresolved, errors.New("timeout"), plan.Skip},
		{"no answer, and it fails", aggregate("x", "1", "203.0.113.3", 3, "fail", "fail"), Unresolved, errors.New("timeout"), plan.Pass},
		{"no answer, and only DKIM passes", aggregate("x", "1", "203.0.113.3", 3, "fail", "pass"), Forwarder, errors.New("timeout"), plan.Pass},
	} {
		var f Found
		f.ReadFile(strings.NewReader(c.report), now)
		s := site()
		asked := 0
		s.Listed = func(a netip.Addr, domain string) (bool, error) {
			asked++
			return a.String() == "198.51.100.7" && domain == "nomeazienda.it" ||
				a.String() == "198.51.100.8" && domain == "bounces.nomeazienda.it", c.err
		}

		got := f.Senders(s)
		if len(got) != 1 || got[0].Kind != c.kind || asked != 1 {
			t.Errorf("%s: %+v, want %s (asked %d times)", c.name, got, c.kind, asked)
		}

		if is := f.senders(s, "nomeazienda.it"); is.Status != c.want {
			t.Errorf("%s: %s %s, want %s", c.name, is.Status, is.Got, c.want)
		}
	}
}

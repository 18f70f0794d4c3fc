package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/providers/authdns"
)

// spfServer serves SPF records until the test ends, and returns its address.
func spfServer(t *testing.T) string {
	t.Helper()
	head := "@ SOA ns hostmaster 1 3600 900 604800 300\n@ NS ns\nns A 127.0.0.1\n"
	dns, err := authdns.Start(t.Context(), authdns.Config{Zones: map[string]string{
		"nomeazienda.it.": "$TTL 60\n" + head +
			"@ TXT \"v=spf1 ip4:2.2.2.2 include:_spf.service.example -all\"\n",
		"service.example.": "$TTL 60\n" + head +
			"_spf TXT \"v=spf1 ip4:198.51.100.0/24 -all\"\n",
	}})

	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { dns.Close() })
	return dns.Addr()
}

// TestReports reads a directory of two hundred reports, as several receivers pack them, in one go.
func TestReports(t *testing.T) {
	dir := t.TempDir()
	config := fmt.Sprintf(`site: reported
server: {hostname: mail.nomeazienda.it, address: 127.0.0.1, public: {ipv4: 2.2.2.2}}
domains: [{name: nomeazienda.it}]
zones: [{name: nomeazienda.it, provider: manual}]
router: {protocol: none, forwards: [{name: smtp, port: 25}]}
service: {type: manual}
verify: {resolvers: ["%s"]}
`, spfServer(t))

	files := map[string]string{"mailpub.yaml": config,
		"reports/notes.txt":   "Nothing of ours.\n",
		"reports/hostile.xml": "<!DOCTYPE f SYSTEM \"file:///etc/passwd\"><feedback/>"}

	sources := []string{"2.2.2.2", "198.51.100.7", "203.0.113.9", "203.0.113.66"}
	for n := range 160 {
		source := sources[n%4]
		result := []string{"pass", "pass", "pass", "fail"}[n%4]
		text := numbered(dmarcReport(source, result), n)
		name := fmt.Sprintf("reports/new/%d.eml", n)

		if n%3 == 1 { // as it was attached
			_, text, _ = strings.Cut(text, "\r\n\r\n")
			text = compressed(text)
			name = fmt.Sprintf("reports/cur/receiver.example!nomeazienda.it!%d.xml.gz", n)
		}

		files[name] = text
	}

	for n := range 40 {
		files[fmt.Sprintf("reports/cur/tls%d.eml", n)] = strings.Replace(tlsReport(9, n%10/9),
			`"report-id":"1"`, fmt.Sprintf(`"report-id":"%d"`, n), 1)
	}

	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	run := func(args ...string) string {
		var out, errs bytes.Buffer
		args = append([]string{"-c", filepath.Join(dir, "mailpub.yaml"), "--no-color"}, args...)
		if code := newApp(strings.NewReader(""), &out, &errs).execute(t.Context(),
			args); code != exitOK {
			t.Fatalf("%q: exit code %d: %s%s", args, code, out.String(), errs.String())
		}
		return out.String()
	}

	const want = `160 DMARC reports, 40 TLS reports were read; these are of the last 7 days.

SENDER        WHO      DOMAIN          PASSED  FAILED  SIGNED BY  REPORTED BY
203.0.113.66  unknown  nomeazienda.it  0       280     -          receiver.example
2.2.2.2       ours     nomeazienda.it  280     0       -          receiver.example
198.51.100.7  listed   nomeazienda.it  280     0       -          receiver.example
203.0.113.9   unknown  nomeazienda.it  280     0       -          receiver.example

TLS REPORTED BY  DOMAIN          SUCCEEDED  FAILED  WHY
sender.example   nomeazienda.it  360        4       certificate-expired at mail.nomeazienda.it (4)

1 report could not be read:
  it has a document type or nests too deeply, which no report has
`

	reports := filepath.Join(dir, "reports")
	if got := run("reports", reports); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	var found site.Reported
	if err := json.Unmarshal([]byte(run("--json", "reports", reports)), &found); err != nil ||
		len(found.Senders) != 4 || found.Senders[1].Kind != "ours" ||
		found.Sessions[0].Failed != 4 {
		t.Errorf("%+v %v", found, err)
	}

	var out, errs bytes.Buffer
	if code := newApp(strings.NewReader(""), &out, &errs).execute(t.Context(),
		[]string{"-c", filepath.Join(dir, "mailpub.yaml"), "reports"}); code != exitFailed ||
		!strings.Contains(errs.String(), "verify.reports") {
		t.Errorf("without a place: %d %s", code, errs.String())
	}
}

// numbered gives a report a number of its own.
func numbered(report string, n int) string {
	return strings.Replace(report, "<report_id>", fmt.Sprintf("<report_id>%d-", n), 1)
}

func compressed(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

// dmarcReport is a message with an aggregate report of yesterday.
func dmarcReport(source, result string) string {
	day := time.Now().Add(-24 * time.Hour).Unix()
	return fmt.Sprintf("Subject: Report domain: nomeazienda.it\r\nContent-Type: text/xml; name=r.xml\r\n\r\n<feedback><report_metadata><org_name>receiver.example</org_name><report_id>%s</report_id>"+
		"<date_range><begin>%d</begin><end>%d</end></date_range></report_metadata><policy_published><domain>nomeazienda.it</domain></policy_published><record><row><source_ip>%s</source_ip>"+
		"<count>7</count><policy_evaluated><disposition>none</disposition><dkim>%s</dkim><spf>%s</spf></policy_evaluated></row><identifiers><header_from>nomeazienda.it</header_from></identifiers></record></feedback>\r\n",
		source, day, day+3600, source, result, result)
}

// tlsReport is a message with a TLS report of yesterday.
func tlsReport(good, bad int) string {
	end := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	return fmt.Sprintf("Subject: Report Domain: nomeazienda.it\r\nContent-Type: application/tlsrpt+json\r\n\r\n"+
		`{"organization-name":"sender.example","date-range":{"start-datetime":%[1]q,"end-datetime":%[1]q},"report-id":"1",`+
		`"policies":[{"policy":{"policy-type":"sts","policy-domain":"nomeazienda.it"},"summary":{"total-successful-session-count":%[2]d,"total-failure-session-count":%[3]d},`+
		`"failure-details":[{"result-type":"certificate-expired","receiving-mx-hostname":"mail.nomeazienda.it","failed-session-count":%[3]d}]}]}`+
		"\r\n", end, good, bad)
}

package reports

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// aggregate is a report in the form of RFC 7489, which Google and Yahoo send.
func aggregate(org, id, source string, count int, spf, dkim string) string {
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8" ?>
<feedback>
  <report_metadata><org_name>%s</org_name><email>noreply@x</email><report_id>%s</report_id>
    <date_range><begin>%d</begin><end>%d</end></date_range></report_metadata>
  <policy_published><domain>nomeazienda.it</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct></policy_published>
  <record>
    <row><source_ip>%s</source_ip><count>%d</count>
      <policy_evaluated><disposition>none</disposition><dkim>%s</dkim><spf>%s</spf></policy_evaluated></row>
    <identifiers><header_from>nomeazienda.it</header_from></identifiers>
    <auth_results><dkim><domain>nomeazienda.it</domain><result>%s</result><selector>mail</selector></dkim><spf><domain>nomeazienda.it</domain><result>%s</result></spf></auth_results>
  </record>
</feedback>`, org, id, now.Add(-48*time.Hour).Unix(), now.Add(-24*time.Hour).Unix(), source,
		count, dkim, spf, dkim, spf)
}

const tlsReport = `{"organization-name":"Google Inc.","date-range":{"start-datetime":"2026-11-27T00:00:00Z","end-datetime":"2026-11-27T23:59:59Z"},
"contact-info":"smtp-tls-reporting@google.com","report-id":"2026-11-27T00:00:00Z_nomeazienda.it","policies":[{"policy":{"policy-type":"sts","policy-string":["version: STSv1"],
"policy-domain":"nomeazienda.it","mx-host":["mail.nomeazienda.it"]},"summary":{"total-successful-session-count":GOOD,"total-failure-session-count":BAD},
"failure-details":[{"result-type":"certificate-expired","receiving-mx-hostname":"mail.nomeazienda.it","receiving-ip":"2.2.2.2","failed-session-count":BAD}]}]}`

func tlsText(good, bad int) string {
	return strings.NewReplacer("GOOD", fmt.Sprint(good), "BAD",
		fmt.Sprint(bad)).Replace(tlsReport)
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func zipped(text string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create("google.com!nomeazienda.it!1!2.xml")
	w.Write([]byte(text))
	z.Close()
	return b.String()
}

func attached(kind, name, data string) string {
	return "From: noreply@x\r\nSubject: Report\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n--b\r\n" +
		"Content-Type: " + kind + "; name=\"" + name +
		"\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"" +
		name + "\"\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(data)) + "\r\n--b--\r\n"
}

func site() Site {
	return Site{
		Domains: []string{"nomeazienda.it"},
		Own:     []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		Now:     now,
		Listed: func(a netip.Addr, domain string) (bool, error) {
			return domain == "nomeazienda.it" && a == netip.MustParseAddr("198.51.100.7"), nil
		},
	}
}

// Reports are read in every packing that receivers use.
func TestPackings(t *testing.T) {
	xml := aggregate("google.com", "1", "2.2.2.2", 3, "pass", "pass")
	for name, message := range map[string]string{
		"zip":                attached("application/zip", "a.zip", zipped(xml)),
		"gzip":               attached("application/gzip", "a.xml.gz", gzipped(xml)),
		"plain":              attached("text/xml", "a.xml", xml),
		"octets with a name": attached("application/octet-stream", "a.xml.gz", gzipped(xml)),
		"the whole message": "Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte(zipped(xml))),
		"a byte order mark": attached("application/xml", "a.xml", "\xef\xbb\xbf"+xml),
		"another namespace": attached("application/xml", "a.xml",
			strings.Replace(xml, "<feedback>",
				`<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">`, 1)),
		"a prefix": attached("application/xml", "a.xml",
			strings.NewReplacer("<feedback>", `<d:feedback xmlns:d="urn:x">`, "</feedback>",
				"</d:feedback>").Replace(xml)),
		"an odd charset": attached("application/xml", "a.xml",
			strings.Replace(xml, "UTF-8", "windows-1252", 1)),
		"a zip called gzip": attached("application/gzip", "a.gz", zipped(xml)),
	} {
		var f Found
		f.Read(strings.NewReader(message), now)
		if len(f.DMARC) != 1 || len(f.Bad) != 0 || f.DMARC[0].Rows[0].Count != 3 ||
			!f.DMARC[0].Rows[0].SPF {
			t.Errorf("%s: %+v", name, f)
		}
	}

	var f Found
	f.Read(strings.NewReader(attached("application/tlsrpt+gzip", "a.json.gz",
		gzipped(tlsText(5, 1)))), now)

	f.Read(strings.NewReader(attached("application/tlsrpt+json", "a.json", tlsText(5, 1))), now)
	if len(f.TLS) != 2 || f.TLS[0].Policies[0].Failures[0].Type != "certificate-expired" {
		t.Errorf("%+v", f)
	}
}

// What strangers send does no harm, and is told.
func TestHostile(t *testing.T) {
	bomb := `<?xml version="1.0"?><!DOCTYPE f [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><feedback><policy_published><domain>&b;</domain></policy_published></feedback>`
	for name, c := range map[string]struct{ data, want string }{
		"entities":        {bomb, "document type"},
		"an outer entity": {`<!DOCTYPE f SYSTEM "file:///etc/passwd"><feedback/>`, "document type"},
		"nesting":         {strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100), "nests too deeply"},
		"a gzip bomb":     {gzipped(strings.Repeat(" ", maxReport+10)), "unpacks to more than"},
		"a zip bomb":      {zipped(strings.Repeat(" ", maxReport+10)), "unpacks to more than"},
		"cut off":         {gzipped("<feedback>")[:12], "unpacking"},
		"a web page":      {"<html><body>hello</body></html>", "no DMARC aggregate report"},
		"no domain":       {"<feedback></feedback>", "names no domain"},
		"other JSON":      {`{"a": 1}`, "no TLS report"},
		"broken JSON":     {`{"a"`, "no TLS report"},
		"a broken zip":    {"PK\x03\x04xxxx", "zip"},
	} {
		var f Found
		f.Read(strings.NewReader(attached("application/octet-stream", "a.xml", c.data)), now)
		if len(f.Bad) != 1 || !strings.Contains(f.Bad[0].Error(), c.want) ||
			len(f.DMARC)+len(f.TLS) != 0 {
			t.Errorf("%s: %v, want %q", name, f.Bad, c.want)
		}
	}

	var f Found
	f.Read(strings.NewReader("no message at all"), now)
	f.Read(strings.NewReader(attached("image/png", "logo.png", "PNG")), now)

	if len(f.Bad)+len(f.DMARC) != 0 {
		t.Errorf("%+v", f)
	}
}

func TestChecks(t *testing.T) {
	for _, c := range []struct {
		name    string
		reports []string
		id      string
		want    plan.Status
		got     string
	}{
		{"ours pass", []string{aggregate("google.com", "1", "2.2.2.2", 30, "pass", "pass")}, catalog.DMARCSenders, plan.Pass, "30 messages passed and 0 failed, in 1 reports"},
		{"ours fail", []string{aggregate("google.com", "1", "2.2.2.2", 30, "fail", "fail")}, catalog.DMARCSenders, plan.Fail, "our own mail fails from 2.2.2.2 (30 of 30)"},
		{"a listed sender", []string{aggregate("google.com", "1", "198.51.100.7", 5, "pass", "fail")}, catalog.DMARCSenders, plan.Pass, "5 messages passed"},
		{"a forwarder", []string{aggregate("google.com", "1", "203.0.113.3", 5, "fail", "pass")}, catalog.DMARCSenders, plan.Pass, "5 messages passed"},
		{"an unknown sender passes", []string{aggregate("google.com", "1", "203.0.113.3", 5, "pass", "pass")}, catalog.DMARCSenders, plan.Warn, "unknown senders pass: 203.0.113.3 (5)"},
		{"an unknown sender fails, as it should", []string{aggregate("google.com", "1", "203.0.113.3", 500, "fail", "fail")}, catalog.DMARCSenders, plan.Pass, "500 failed"},
		{"one that comes twice", []string{aggregate("google.com", "1", "2.2.2.2", 3, "pass", "pass"), aggregate("google.com", "1", "2.2.2.2", 3, "pass", "pass")}, catalog.DMARCSenders, plan.Pass, "3 messages passed"},
		{"none", nil, catalog.DMARCSenders, plan.Skip, "no DMARC report"},
		{"of another domain", []string{strings.ReplaceAll(aggregate("google.com", "1", "2.2.2.2", 3, "fail", "fail"), "nomeazienda.it", "other.it")}, catalog.DMARCSenders, plan.Skip, "no DMARC report"},
		{"TLS works", []string{tlsText(50, 0)}, catalog.TLSRPTFailures, plan.Pass, "50 sessions succeeded"},
		{"TLS fails at times", []string{tlsText(50, 2)}, catalog.TLSRPTFailures, plan.Warn, "certificate-expired at mail.nomeazienda.it (2)"},
		{"TLS never works", []string{tlsText(0, 2)}, catalog.TLSRPTFailures, plan.Fail, "0 sessions succeeded and 2 failed"},
		{"no TLS report", nil, catalog.TLSRPTFailures, plan.Skip, "no TLS report"},
	} {
		var f Found
		for _, text := range c.reports {
			f.Read(strings.NewReader(attached("application/octet-stream", "a.gz",
				gzipped(text))), now)
		}

		for _, is := range f.Checks(site()) {
			if is.ID == c.id && (is.Status != c.want || !strings.Contains(is.Got, c.got) ||
				is.Status != plan.Pass && is.Hint == "") {
				t.Errorf("%s: %s %q, want %s with %q", c.name, is.Status, is.Got, c.want, c.got)
			}
		}
	}
}

// Two hundred reports of a week in one go.
func TestTwoHundred(t *testing.T) {
	var f Found
	for n := range 200 {
		source := []string{"2.2.2.2", "198.51.100.7", "203.0.113.3", "203.0.113.4"}[n%4]
		f.Read(strings.NewReader(attached("application/zip", "a.zip",
			zipped(aggregate("org"+fmt.Sprint(n%7)+".example", fmt.Sprint(n), source, 10,
				[]string{"pass", "pass", "fail", "fail"}[n%4],
				[]string{"pass", "pass", "pass", "fail"}[n%4])))), now)
	}

	got := ""
	for _, is := range f.Senders(site()) {
		got += fmt.Sprintf("%s %s %d %d\n", is.Address, is.Kind, is.Passed, is.Failed)
	}

	if want := "203.0.113.4 unknown 0 500\n2.2.2.2 ours 500 0\n198.51.100.7 listed 500 0\n203.0.113.3 forwarder 500 0\n"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(aggregate("google.com", "1", "2.2.2.2", 3, "pass", "pass")))
	f.Add([]byte(tlsText(1, 1)))
	f.Add([]byte(gzipped("<feedback/>")))
	f.Add([]byte(zipped("{}")))
	f.Fuzz(func(_ *testing.T, data []byte) {
		var found Found
		found.add(data, now)
		found.ReadFile(bytes.NewReader(data), now)
		found.Read(bytes.NewReader(data), now)
		found.Checks(site())
		found.Senders(site())
	})
}

func BenchmarkRead(b *testing.B) {
	message := attached("application/zip", "a.zip",
		zipped(aggregate("google.com", "1", "2.2.2.2", 3, "pass", "pass")))
	for b.Loop() {
		var f Found
		f.Read(strings.NewReader(message), now)
	}
}

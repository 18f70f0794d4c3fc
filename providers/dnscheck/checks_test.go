package dnscheck

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/zonetest"
)

func siteFacts(servers ...string) Facts {
	return Facts{
		Host:    "mail.nomeazienda.it",
		Public:  []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		Domains: []Domain{{Name: zonetest.Zone, MX: []mail.MX{{Host: "mail.nomeazienda.it.", Preference: 10}}}},
		Resolver: &resolver.Resolver{
			Servers: servers, Timeout: 500 * time.Millisecond, Attempts: 1,
		},
		Nameservers: map[string][]string{zonetest.Zone: servers, zonetest.ReverseZone: servers},
		HostsFile:   os.DevNull,
	}
}

// wellFormed checks what holds for every finding.
func wellFormed(t *testing.T, checkers []plan.Checker, found []plan.Check) {
	t.Helper()
	for _, c := range found {
		if c.Subject == (plan.Subject{}) || c.Got == "" ||
			(c.Hint == "") != (c.Status == plan.Pass) ||
			c.Status != plan.Skip && (c.Want == "" || c.Ref == "") {
			t.Errorf("incomplete: %+v", c)
		}
	}

	for _, ch := range checkers {
		for _, id := range ch.IDs {
			if !slices.ContainsFunc(found, func(c plan.Check) bool {
				return c.ID == id
			}) {
				t.Errorf("nothing was said about %s", id)
			}
		}
	}
}

var allPass = []string{
	"host.a mail.nomeazienda.it A: pass",
	"host.ptr 2.2.2.2: pass",
	"host.fcrdns 2.2.2.2: pass",
	"mx.exists nomeazienda.it: pass",
	"mx.expected nomeazienda.it: pass",
	"mx.target nomeazienda.it MX mail.nomeazienda.it.: pass",
	"spf.single nomeazienda.it: pass",
	"spf.pass 2.2.2.2 for nomeazienda.it: pass",
	"spf.syntax nomeazienda.it: pass",
	"spf.all nomeazienda.it: pass",
	"spf.size nomeazienda.it: pass",
	"spf.single mail.nomeazienda.it: pass",
	"spf.pass 2.2.2.2 as mail.nomeazienda.it: pass",
	"spf.syntax mail.nomeazienda.it: pass",
	"spf.all mail.nomeazienda.it: pass",
	"spf.size mail.nomeazienda.it: pass",
	"config.hosts mail.nomeazienda.it: pass",
	"dane.match _25._tcp.mail.nomeazienda.it: pass",
	"caa.permits mail.nomeazienda.it: pass",
	"dmarc.single _dmarc.nomeazienda.it: pass",
	"dmarc.syntax _dmarc.nomeazienda.it: pass",
	"dmarc.policy _dmarc.nomeazienda.it: pass",
	"dmarc.reports _dmarc.nomeazienda.it: pass",
	"sts.record _mta-sts.nomeazienda.it: pass",
	"tlsrpt.record _smtp._tls.nomeazienda.it: pass",
}

func TestChecks(t *testing.T) {
	long := func(n int) string {
		return strings.TrimSpace(strings.Repeat("ip4:192.0.2.123 ", n))
	}

	many := func(s string, n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(s, "#", fmt.Sprint(i)) + " ")
		}
		return b.String()
	}

	spf := func(text string) string { // in strings of at most 255
		var parts []string
		for _, s := range record.TextStrings(text) {
			parts = append(parts, `"`+s+`"`)
		}
		return strings.Join(parts, " ")
	}

	const mx, apexSPF, a = "@ IN MX 10 mail", `@ IN TXT "v=spf1 mx ip4:2.2.2.2 -all"`, "mail IN A 2.2.2.2"
	tests := []struct {
		name           string
		spoil, with    string
		reverse, other string
		// want are the findings that differ from allPass, with a part of what was got.
		want map[string]string
	}{
		{name: "all is well"},
		{name: "no address", spoil: a, want: map[string]string{
			"host.a mail.nomeazienda.it A":                     "fail: no such record",
			"host.fcrdns 2.2.2.2":                              "fail: mail.nomeazienda.it: no such record",
			"mx.target nomeazienda.it MX mail.nomeazienda.it.": "fail: no such record",
			"spf.pass 2.2.2.2 as mail.nomeazienda.it":          "fail: fail (matched all)",
		}},
		{name: "a private address", spoil: a, with: "mail IN A 10.10.10.10", want: map[string]string{
			"host.a mail.nomeazienda.it A":            "fail: 10.10.10.10",
			"host.fcrdns 2.2.2.2":                     "fail: mail.nomeazienda.it: 10.10.10.10",
			"spf.pass 2.2.2.2 as mail.nomeazienda.it": "fail: fail",
		}},
		{name: "another address beside", spoil: a, with: a + "\nmail IN A 2.2.2.3", want: map[string]string{
			"host.a mail.nomeazienda.it A": "fail: 2.2.2.2, 2.2.2.3",
		}},
		{name: "an AAAA that is not ours", spoil: a, with: a + "\nmail IN AAAA 2001:db8::2", want: map[string]string{
			"host.a mail.nomeazienda.it AAAA": "fail: 2001:db8::2",
		}},
		{name: "an alias", spoil: a + "\nmail IN TXT \"v=spf1 a -all\"", with: "mail IN CNAME web", want: map[string]string{
			"host.a mail.nomeazienda.it A":                     "fail: CNAME web.nomeazienda.it.",
			"host.a mail.nomeazienda.it AAAA":                  "fail: CNAME web.nomeazienda.it.",
			"host.fcrdns 2.2.2.2":                              "fail: mail.nomeazienda.it: 192.0.2.80",
			"mx.target nomeazienda.it MX mail.nomeazienda.it.": "fail: CNAME web.nomeazienda.it.",
			"spf.single mail.nomeazienda.it":                   "fail: none",
			"spf.pass 2.2.2.2 as mail.nomeazienda.it":          "fail: none",
			"spf.syntax mail.nomeazienda.it":                   "skip: 0 SPF records",
			"spf.all mail.nomeazienda.it":                      "skip: 0 SPF records",
			"spf.size mail.nomeazienda.it":                     "skip: 0 SPF records",
		}},
		{name: "no PTR", reverse: "2 IN PTR mail.nomeazienda.it.", want: map[string]string{
			"host.ptr 2.2.2.2":    "fail: no such name",
			"host.fcrdns 2.2.2.2": "fail: no PTR",
		}},
		{name: "the provider's PTR", reverse: "mail.nomeazienda.it.", other: "2-2-2-2.isp.nomeazienda.it.", want: map[string]string{
			"host.ptr 2.2.2.2":    "fail: 2-2-2-2.isp.nomeazienda.it.",
			"host.fcrdns 2.2.2.2": "fail: 2-2-2-2.isp.nomeazienda.it: no such name",
		}},
		{name: "two PTRs", reverse: "2 IN PTR mail.nomeazienda.it.", other: "2 IN PTR mail.nomeazienda.it.\n2 IN PTR web.nomeazienda.it.", want: map[string]string{
			"host.ptr 2.2.2.2": "fail: mail.nomeazienda.it., web.nomeazienda.it.",
		}},
		{name: "no MX", spoil: mx, want: map[string]string{
			"mx.exists nomeazienda.it":                         "fail: no such record",
			"mx.expected nomeazienda.it":                       "fail: none",
			"mx.target nomeazienda.it":                         "skip: it has no MX",
			"mx.target nomeazienda.it MX mail.nomeazienda.it.": "",
		}},
		{name: "null MX", spoil: mx, with: "@ IN MX 0 .", want: map[string]string{
			"mx.exists nomeazienda.it":                         "fail: 0 .",
			"mx.expected nomeazienda.it":                       "fail: 0 .",
			"mx.target nomeazienda.it":                         "skip: it has no MX",
			"mx.target nomeazienda.it MX mail.nomeazienda.it.": "",
		}},
		{name: "others in front, an alias", spoil: mx, with: mx + "\n@ IN MX 5 alias", want: map[string]string{
			"mx.expected nomeazienda.it":                        "fail: 5 alias.nomeazienda.it., 10 mail.nomeazienda.it.",
			"mx.target nomeazienda.it MX alias.nomeazienda.it.": "fail: CNAME mail.nomeazienda.it.",
		}},
		{name: "an MX that is an IP address", spoil: mx, with: mx + "\n@ IN MX 20 2.2.2.2.", want: map[string]string{
			"mx.target nomeazienda.it MX 2.2.2.2.": "fail: an IP address in place of a name",
			"spf.pass 2.2.2.2 for nomeazienda.it":  "skip: temperror", // this server does not know the top level "2."
			"spf.syntax nomeazienda.it":            "skip: ",
		}},
		{name: "twice the same MX", spoil: mx, with: mx + "\n@ IN MX 20 mail", want: map[string]string{
			"mx.expected nomeazienda.it": "warn: 10 mail.nomeazienda.it., 20 mail.nomeazienda.it.",
		}},
		{name: "no SPF", spoil: apexSPF, want: map[string]string{
			"spf.single nomeazienda.it":           "fail: none",
			"spf.pass 2.2.2.2 for nomeazienda.it": "fail: none",
			"spf.syntax nomeazienda.it":           "skip: 0 SPF records",
			"spf.all nomeazienda.it":              "skip: 0 SPF records",
			"spf.size nomeazienda.it":             "skip: 0 SPF records",
		}},
		{name: "two SPF records", spoil: apexSPF, with: apexSPF + "\n@ IN TXT \"v=spf1 -all\"", want: map[string]string{
			"spf.single nomeazienda.it":           "fail: v=spf1 mx ip4:2.2.2.2 -all and v=spf1 -all",
			"spf.pass 2.2.2.2 for nomeazienda.it": "fail: permerror",
			"spf.syntax nomeazienda.it":           "skip: 2 SPF records",
			"spf.all nomeazienda.it":              "skip: 2 SPF records",
			"spf.size nomeazienda.it":             "skip: 2 SPF records",
		}},
		{name: "the server is not in it", spoil: apexSPF, with: `@ IN TXT "v=spf1 ip4:192.0.2.1 ~all"`, want: map[string]string{
			"spf.pass 2.2.2.2 for nomeazienda.it": "fail: softfail",
		}},
		{name: "a word that is none", spoil: apexSPF, with: `@ IN TXT "v=spf1 mx ipv4:2.2.2.2 -all"`, want: map[string]string{
			"spf.syntax nomeazienda.it":           `fail: "ipv4:2.2.2.2" is no term, want ip4`,
			"spf.pass 2.2.2.2 for nomeazienda.it": "fail: permerror",
		}},
		{name: "a word that is none, behind all", spoil: apexSPF, with: `@ IN TXT "v=spf1 mx -all ipv4:2.2.2.2 x=y"`, want: map[string]string{
			"spf.syntax nomeazienda.it":           `fail: "ipv4:2.2.2.2" is no term, want ip4`,
			"spf.pass 2.2.2.2 for nomeazienda.it": "fail: permerror",
		}},
		{name: "over ten look-ups, met only by strangers", spoil: apexSPF, with: "@ IN TXT " + spf("v=spf1 mx "+many("a:mail.nomeazienda.it", 10)+"-all"), want: map[string]string{
			"spf.syntax nomeazienda.it": "fail: lookup limit reached",
		}},
		{name: "over two in vain", spoil: apexSPF, with: "@ IN TXT " + spf("v=spf1 mx "+many("a:no#.nomeazienda.it", 3)+"-all"), want: map[string]string{
			"spf.syntax nomeazienda.it": "fail: void lookup limit reached",
		}},
		{name: "a loop", spoil: apexSPF, with: `@ IN TXT "v=spf1 mx include:nomeazienda.it -all"`, want: map[string]string{
			"spf.syntax nomeazienda.it": "fail: lookup limit reached",
		}},
		{name: "everybody", spoil: apexSPF, with: `@ IN TXT "v=spf1 mx +ALL"`, want: map[string]string{
			"spf.all nomeazienda.it": "fail: +all",
		}},
		{name: "neutral", spoil: apexSPF, with: `@ IN TXT "v=spf1 mx ?all"`, want: map[string]string{
			"spf.all nomeazienda.it": "warn: ?all",
		}},
		{name: "no end", spoil: apexSPF, with: `@ IN TXT "v=spf1 mx"`, want: map[string]string{
			"spf.all nomeazienda.it": "fail: none",
		}},
		{name: "a redirect to a good end", spoil: apexSPF, with: `@ IN TXT "v=spf1 mx redirect=mail.nomeazienda.it"`},
		{name: "a redirect in a circle", spoil: apexSPF, with: `@ IN TXT "v=spf1 mx redirect=nomeazienda.it"`, want: map[string]string{
			"spf.syntax nomeazienda.it": "fail: lookup limit reached",
			"spf.all nomeazienda.it":    "fail: redirects without end",
		}},
		{name: "a redirect by macro", spoil: apexSPF, with: `@ IN TXT "v=spf1 mx redirect=%{d2}"`, want: map[string]string{
			"spf.syntax nomeazienda.it": "fail: lookup limit reached",
			"spf.all nomeazienda.it":    "skip: redirect to %{d2}",
		}},
		{name: "a long record", spoil: apexSPF, with: "@ IN TXT " + spf("v=spf1 mx "+long(28)+" -all"), want: map[string]string{
			"spf.size nomeazienda.it": "warn: 462 octets",
		}},
		{name: "too long a record", spoil: apexSPF, with: "@ IN TXT " + spf("v=spf1 mx "+long(40)+" -all"), want: map[string]string{
			"spf.size nomeazienda.it": "fail: 654 octets",
		}},
		{name: "much other text", spoil: apexSPF, with: apexSPF + "\n@ IN TXT " + spf(strings.Repeat("x", 500)), want: map[string]string{
			"spf.size nomeazienda.it": "warn: 26 octets, but ",
		}},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			forward := strings.Replace(zonetest.GoodZone, test.spoil, test.with, 1)
			reverse := zonetest.GoodReverse
			if test.reverse != "" {
				reverse = strings.Replace(zonetest.GoodReverse, test.reverse, test.other, 1)
			}

			checkers := Checks(siteFacts(zonetest.Serve(t,
				map[string]string{zonetest.Zone: forward, zonetest.ReverseZone: reverse})))

			found := plan.RunChecks(t.Context(), checkers)
			wellFormed(t, checkers, found)
			for _, c := range found {
				subject := c.ID + " " + c.Subject.String()
				want, differs := test.want[subject]
				switch is := fmt.Sprintf("%s: %s", c.Status, c.Got); {
				case differs && (want == "" || !strings.HasPrefix(is, want)):
					t.Errorf("%s is %q, want %q", subject, is, want)
				case !differs && !slices.Contains(allPass, subject+": "+string(c.Status)):
					t.Errorf("%s is %q", subject, is)
				}
			}

			for subject, want := range test.want {
				if want != "" && !slices.ContainsFunc(found, func(c plan.Check) bool {
					return c.ID+" "+c.Subject.String() == subject
				}) {
					t.Errorf("%s is not among the findings", subject)
				}
			}
		})
	}
}

func TestChecksWithoutPublicAddress(t *testing.T) {
	f := siteFacts(zonetest.Serve(t, map[string]string{zonetest.Zone: zonetest.GoodZone,
		zonetest.ReverseZone: zonetest.GoodReverse}))

	f.Public = nil
	checkers := Checks(f)
	found := plan.RunChecks(t.Context(), checkers)
	wellFormed(t, checkers, found)

	for _, c := range found {
		needs := slices.Contains([]string{"host.a", "host.ptr", "host.fcrdns", "spf.pass"},
			c.ID)
		if needs != (c.Status == plan.Skip) || !needs && c.Status != plan.Pass {
			t.Errorf("%s %s is %s: %s", c.ID, c.Subject, c.Status, c.Got)
		}
	}
}

func TestChecksKnowWhatTheyDoNotKnow(t *testing.T) {
	good := zonetest.Serve(t, map[string]string{zonetest.Zone: zonetest.GoodZone,
		zonetest.ReverseZone: zonetest.GoodReverse})

	deaf := zonetest.Silent(t)
	t.Run("nobody answers", func(t *testing.T) {
		checkers := Checks(siteFacts(deaf))
		found := plan.RunChecks(t.Context(), checkers)
		wellFormed(t, checkers, found)

		for _, c := range found {
			if c.Status != plan.Skip && c.ID != "config.hosts" {
				t.Errorf("%s %s is %s: %s", c.ID, c.Subject, c.Status, c.Got)
			}
		}
	})

	t.Run("one of two servers does not answer", func(t *testing.T) {
		f := siteFacts(good)
		f.Nameservers[zonetest.Zone] = []string{deaf, good}
		for _, c := range plan.RunChecks(t.Context(), Checks(f)) {
			if c.ID == "mx.exists" && (c.Status != plan.Warn ||
				!strings.Contains(c.Got, deaf)) {
				t.Errorf("%+v", c)
			}
			if c.Status == plan.Fail {
				t.Errorf("%s %s failed: %s", c.ID, c.Subject, c.Got)
			}
		}
	})

	t.Run("a resolver remembers what was", func(t *testing.T) {
		old := zonetest.Serve(t, map[string]string{zonetest.Zone: strings.Replace(zonetest.GoodZone,
			"2.2.2.2\n", "2.2.2.9\n", 1), zonetest.ReverseZone: zonetest.GoodReverse})

		f := siteFacts(good)
		f.Resolver.Servers = []string{old}
		for _, c := range plan.RunChecks(t.Context(), Checks(f)) {
			if c.ID == "host.a" && (c.Status != plan.Warn ||
				!strings.Contains(c.Got, "2.2.2.9") || !strings.Contains(c.Hint, "3600 s")) {
				t.Errorf("%+v", c)
			}
		}
	})

	t.Run("the zone's servers are wrong, whatever a resolver says", func(t *testing.T) {
		old := zonetest.Serve(t, map[string]string{zonetest.Zone: strings.Replace(zonetest.GoodZone,
			"2.2.2.2\n", "2.2.2.9\n", 1), zonetest.ReverseZone: zonetest.GoodReverse})

		f := siteFacts(old)
		f.Resolver.Servers = []string{good}
		for _, c := range plan.RunChecks(t.Context(), Checks(f)) {
			if c.ID == "host.a" && c.Status != plan.Fail {
				t.Errorf("%+v", c)
			}
		}
	})
}

func TestHostsFile(t *testing.T) {
	server := zonetest.Serve(t, map[string]string{zonetest.Zone: zonetest.GoodZone,
		zonetest.ReverseZone: zonetest.GoodReverse})

	tests := []struct {
		name, text string
		want       plan.Status
	}{
		{"not mapped", "127.0.0.1 localhost\n# 127.0.1.1 mail.nomeazienda.it\n", plan.Pass},
		{"as in DNS", "2.2.2.2 mail.nomeazienda.it mail\n", plan.Pass},
		{"to itself, as some installers do", "127.0.1.1\tMAIL.nomeazienda.it mail\n", plan.Fail},
		{"once right, once wrong", "2.2.2.2 mail.nomeazienda.it\n::1 mail.nomeazienda.it\n", plan.Fail},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := siteFacts(server)
			f.HostsFile = filepath.Join(t.TempDir(), "hosts")
			f.Names = []string{"pop.provider.example"}
			if err := os.WriteFile(f.HostsFile, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}

			checkers := slices.DeleteFunc(Checks(f), func(c plan.Checker) bool {
				return c.IDs[0] != "config.hosts"
			})

			found := plan.RunChecks(t.Context(), checkers)
			wellFormed(t, checkers, found)
			if len(found) != 2 || found[0].Status != test.want || found[1].Status != plan.Pass {
				t.Errorf("%+v", found)
			}
		})
	}
}

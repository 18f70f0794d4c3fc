package mail

import (
	"slices"
	"testing"
)

// What others keep beside a policy stays.
func TestFitBesideOthers(t *testing.T) {
	const other = `"vendor-verification=x"`
	for _, c := range []struct {
		name     string
		is, want []string
		writes   []string
	}{
		{"beside the same policy", []string{`"v=DMARC1;p=none" ttl 300`, other + " ttl 300"}, []string{`"v=DMARC1; p=none" ttl 3600`},
			[]string{`"v=DMARC1;p=none" ttl 300`, other + " ttl 300"}},
		{"beside another one", []string{`"v=DMARC1; p=none" ttl 300`, other + " ttl 300"}, []string{`"v=DMARC1; p=reject" ttl 3600`},
			[]string{`"v=DMARC1; p=reject" ttl 300`, other + " ttl 300"}},
		{"beside none", []string{other + " ttl 300"}, []string{`"v=DMARC1; p=reject" ttl 3600`}, []string{`"v=DMARC1; p=reject" ttl 300`, other + " ttl 300"}},
		{"a broken one goes", []string{`"v=dmarc1 p=none" ttl 300`}, []string{`"v=DMARC1; p=reject" ttl 3600`}, []string{`"v=DMARC1; p=reject" ttl 300`}},
	} {
		slices.Sort(c.writes)
		if got := Fit("TXT", false)(c.is, c.want); !slices.Equal(got, c.writes) {
			t.Errorf("%s: %q, want %q", c.name, got, c.writes)
		}
	}
}

func TestFit(t *testing.T) {
	text := func(s string) string { return TextData(s) + " ttl 300" }
	for _, c := range []struct {
		name, rrtype string
		said         bool
		is, want     string
		writes       string // "" for what is there
	}{
		{"blanks", "TXT", false, text("v=DMARC1;p=quarantine;rua=mailto:a@x.it"), text("v=DMARC1; p=quarantine; rua=mailto:a@x.it"), ""},
		{"case and order", "TXT", false, text("v=DMARC1; rua=MAILTO:a@x.it; p=ReJect; adkim=R"), text("v=DMARC1; p=reject; rua=mailto:a@x.it"), ""},
		{"defaults", "TXT", false, text("v=DMARC1; p=none; sp=none; pct=100; fo=0"), text("v=DMARC1; p=none"), ""},
		{"another policy for subdomains", "TXT", false, text("v=DMARC1; p=reject; sp=none"), text("v=DMARC1; p=reject"), text("v=DMARC1; p=reject")},
		{"another policy", "TXT", false, text("v=DMARC1; p=none"), text("v=DMARC1; p=reject"), text("v=DMARC1; p=reject")},
		{"a tag twice", "TXT", false, text("v=DMARC1; p=none; p=none"), text("v=DMARC1; p=none"), text("v=DMARC1; p=none")},
		{"TLS reports", "TXT", false, text("v=TLSRPTv1;rua=mailto:a@x.it , https://x.it/r"), text("v=TLSRPTv1; rua=https://x.it/r,mailto:a@x.it"), ""},
		{"MTA-STS", "TXT", false, text("v=STSv1;id=1;"), text("v=STSv1; id=1"), ""},
		{"MTA-STS of another policy", "TXT", false, text("v=STSv1; id=2"), text("v=STSv1; id=1"), text("v=STSv1; id=1")},
		{"DKIM without what is the default", "TXT", false, text("k=rsa; p=AAAA"), text("v=DKIM1; k=rsa; p=AAAA"), ""},
		{"DKIM with hashes", "TXT", false, text("v=DKIM1;k=rsa;h=sha1:sha256;s=email;p=AA AA"), text("v=DKIM1; k=rsa; p=AAAA"), ""},
		{"DKIM of another key", "TXT", false, text("v=DKIM1; p=BBBB"), text("v=DKIM1; p=AAAA"), text("v=DKIM1; p=AAAA")},
		{"DKIM for tests", "TXT", false, text("v=DKIM1; t=y; p=AAAA"), text("v=DKIM1; p=AAAA"), text("v=DKIM1; p=AAAA")},
		{"DKIM with old hashes alone", "TXT", false, text("v=DKIM1; h=sha1; p=AAAA"), text("v=DKIM1; p=AAAA"), text("v=DKIM1; p=AAAA")},
		{"other text is what it is", "TXT", false, text("a;b"), text("a; b"), text("a; b")},
		{"SRV with a weight of its own", "SRV", false, "0 0 993 mail.x.it. ttl 300", "0 1 993 mail.x.it. ttl 3600", ""},
		{"SRV that says there is none, at any port", "SRV", true, "0 0 0 . ttl 60", "0 1 110 . ttl 60", ""},
		{"SRV at another port", "SRV", false, "0 0 143 mail.x.it. ttl 300", "0 1 993 mail.x.it. ttl 3600", "0 1 993 mail.x.it. ttl 300"},
		{"a TTL that nobody gave stays", "A", false, "2.2.2.2 ttl 60", "2.2.2.2 ttl 3600", ""},
		{"one that was given is written", "A", true, "2.2.2.2 ttl 60", "2.2.2.2 ttl 3600", "2.2.2.2 ttl 3600"},
		{"and in the spelling that is there", "TXT", true, text("v=STSv1;id=1"), TextData("v=STSv1; id=1") + " ttl 60", TextData("v=STSv1;id=1") + " ttl 60"},
		{"a new address keeps the TTL", "A", false, "2.2.2.7 ttl 60", "2.2.2.2 ttl 3600", "2.2.2.2 ttl 60"},
		{"by hand there is no TTL", "A", false, "2.2.2.2", "2.2.2.2", ""},
		{"of an alias there is none", "TLSA", true, "3 1 1 00", "3 1 1 00 ttl 60", ""},
		{"what the provider says beside counts", "A", false, "2.2.2.2 ttl 1 proxied", "2.2.2.2 ttl 3600", "2.2.2.2 ttl 3600"},
	} {
		is := []string{c.is}
		want := []string{c.want}
		got := Fit(c.rrtype, c.said)(is, want)
		expected := is

		if c.writes != "" {
			expected = []string{c.writes}
		}

		if !slices.Equal(got, expected) {
			t.Errorf("%s: %q beside %q writes %q, want %q", c.name, c.want, c.is, got, expected)
		}
	}
}

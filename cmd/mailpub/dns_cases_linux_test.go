package main

import (
	"slices"
	"strings"
	"testing"
)

// dnsStep is one call of mailpub in a case, and what it says.
type dnsStep struct {
	args string
	code int
	says []string
	not  []string
}

// onEveryServer are the cases that are tried with Knot and PowerDNS, too.
var onEveryServer = []string{"RFC 2317, an alias into the domain's own zone",
	"DMARC that a vendor keeps otherwise", "a wildcard with a web site",
	"a wildcard, and no mail host yet", "mail. is delegated", "the mail host is an alias"}

// asItShould are the steps of a site that has nothing to write and nothing wrong.
func asItShould(more ...string) []dnsStep {
	return []dnsStep{
		{args: "plan", says: append([]string{"No changes: "}, more...)},
		{args: "apply --yes", says: []string{"No"}},
		{args: "plan --detailed-exitcode"},
		{args: "verify --only dns", says: []string{", 0 failed,"}, not: []string{"FAIL"}},
	}
}

// TestLabDNSCases takes sites through plan, apply, plan and verify whose zones are as they are in the
// field: names that others hold, wildcards, delegations, a registrar that was not told, an office
// that has a zone of its own under the domain's name.
func TestLabDNSCases(t *testing.T) {
	t.Parallel()
	const byHand = "    provider: rfc2136\n    settings: {server: \"" + firstServer +
		":53\", key_name: mailpub., key: \"env:MAILPUB_TSIG_KEY\"} =>     provider: manual"

	zone := func(more ...string) map[string][]string {
		return map[string][]string{"{D}": append(rightSite(), more...)}
	}

	cases := []*dnsCase{
		{name: "RFC 2317, the child zone is ours", ptr: []string{"{N} CNAME {N}.0-127", "0-127 NS {OWN}"},
			own: map[string][]string{"{D}": rightSite(), "0-127.3.2.2.in-addr.arpa": {"@ NS {OWN}", "99 PTR other.example."}},
			config: []string{"router: => " + "  - {name: 0-127.3.2.2.in-addr.arpa, provider: rfc2136, settings: {server: \"" + firstServer +
				":53\", key_name: mailpub., key: \"env:MAILPUB_TSIG_KEY\"}}\nrouter:"}},
		{name: "RFC 2317, the child zone is elsewhere and right", ptr: []string{"{N} CNAME {N}.clienti", "{N}.clienti PTR mail.{D}."}},
		{name: "RFC 2317, the child zone is elsewhere and wrong", ptr: []string{"{N} CNAME ptr{N}.hosting.example."}},
		{name: "RFC 2317, an alias into the domain's own zone", ptr: []string{"{N} CNAME ptr{N}.{D}."}},
		{name: "DMARC that a vendor keeps", own: zone("_dmarc CNAME {D}._dmarc.vendor.example."),
			config: []string{"  - name: {D}\nzones: =>   - name: {D}\n    dmarc: {policy: reject, rua: [d@vendor.example]}\nzones:"}},
		{name: "DMARC that a vendor keeps otherwise", own: zone("_dmarc CNAME none._dmarc.vendor.example."),
			config: []string{"  - name: {D}\nzones: =>   - name: {D}\n    dmarc: {policy: reject}\nzones:"}},
		{name: "a wildcard with a web site", own: zone("* A 2.2.2.80", "* AAAA 2001:4860::80", `* TXT "of the web site"`),
			config: []string{"domains:\n => nomail: [www.{D}]\ndomains:\n", "zones: =>   - name: shop.{D}\nzones:"}},
		{name: "a wildcard, and no mail host yet", own: map[string][]string{"{D}": {"@ NS {OWN}", "* A 2.2.2.80", "* AAAA 2001:4860::80", "* HTTPS 1 . alpn=h2", "* MX 10 web"}}},
		{name: "a wildcard in a zone by hand", own: zone("* A 2.2.2.80", `* TXT "v=spf1 -all"`, "*.apps CNAME web.example."),
			config: []string{byHand, "domains:\n => nomail: [www.{D}, x.apps.{D}]\ndomains:\n"}},
		{name: "one whose names are entered", own: zone("* A 2.2.2.80", "www A 2.2.2.81", "www MX 0 .", `www TXT "v=spf1 -all"`),
			config: []string{byHand, "domains:\n => nomail: [www.{D}]\ndomains:\n"}},
		{name: "a delegation in a zone by hand", own: map[string][]string{"{D}": append(rightSite(), "posta NS {OTHER}")},
			other:  map[string][]string{"posta.{D}": {"@ NS {OTHER}"}},
			config: []string{byHand, "domains:\n => nomail: [posta.{D}]\ndomains:\n"}},
		{name: "two lines, and a vendor's proof at _dmarc", config: []string{"{ipv4: {A}} => {ipv4: {A}, also: [2.2.3.200]}", "  - name: {D}\nzones: =>   - name: {D}\n    dmarc: {policy: reject}\nzones:"},
			own: map[string][]string{"{D}": {"@ NS {OWN}", "@ MX 10 mail", `@ TXT "v=spf1 mx -all"`, "mail A {A}", "mail A 2.2.3.200", `mail TXT "v=spf1 a -all"`,
				`_dmarc TXT "vendor-verification=x"`}},
			ptr: []string{"{N} PTR mail.{D}.", "200 PTR mail.{D}."}},
		{name: "SPF by a wildcard", own: zone("* A 2.2.2.80", `* TXT "v=spf1 -all"`),
			config: []string{"domains:\n => nomail: [x.web.{D}]\ndomains:\n"}},
		{name: "mail. is delegated", own: map[string][]string{"{D}": {"@ NS {OWN}", "@ MX 10 mail", `@ TXT "v=spf1 mx ip4:{A} -all"`, "mail NS {OTHER}"}},
			other: map[string][]string{"mail.{D}": {"@ NS {OTHER}", "@ A 2.2.2.99"}}},
		{name: "the parent points elsewhere", parent: []string{"@ NS {OTHER}"},
			own:   map[string][]string{"{D}": {"@ NS {OWN}", "www A 2.2.2.80"}},
			other: map[string][]string{"{D}": {"@ NS {OTHER}", "@ MX 10 old", "old A 2.2.2.98"}}},
		// Found in reports of others: rspamd 2955, twenty 25547, Technitium 1117, lego 248, vinyldns 91.
		{name: "DMARC by an alias of the domain", own: zone("_dmarc CNAME {D}."),
			config: []string{"  - name: {D}\nzones: =>   - name: {D}\n    dmarc: {policy: reject}\nzones:"}},
		{name: "DMARC by an alias of nothing", own: zone("_dmarc CNAME gone.hosting.example."),
			config: []string{"  - name: {D}\nzones: =>   - name: {D}\n    dmarc: {policy: reject}\nzones:"}},
		{name: "a wildcard and an empty name", own: zone("* A 2.2.2.80", "ssh.git A 2.2.2.81"),
			config: []string{"domains:\n => nomail: [git.{D}, x.git.{D}]\ndomains:\n"}},
		{name: "a wildcard alias", own: zone("* CNAME lb.hosting.example."),
			config: []string{"domains:\n => nomail: [www.{D}]\ndomains:\n"}},
		{name: "the mail host is an alias", own: map[string][]string{"{D}": {"@ NS {OWN}", "mail CNAME host.hosting.example."}},
			config: []string{"  - name: {D}\nzones: =>   - name: {D}\n    services: [{name: imaps, port: 993}]\nzones:"}},
		{name: "an office with an inner zone", office: true, inner: []string{"@ NS dc1", "dc1 A 10.10.10.5", "mail A {A}", "www A 10.10.10.6"}},
	}

	steps := map[string][]dnsStep{
		"RFC 2317, the child zone is ours": {
			{args: "plan", says: []string{"+ ", ".0-127.3.2.2.in-addr.arpa. PTR mail."}},
			{args: "apply --yes", says: []string{"Done: 1 change"}},
			{args: "plan --detailed-exitcode", says: []string{"No changes: "}},
			{args: "verify --only dns", says: []string{", 0 failed,"}},
		},
		"RFC 2317, the child zone is elsewhere and right": asItShould(),
		"RFC 2317, the child zone is elsewhere and wrong": {
			{args: "plan", says: []string{"! ", ".in-addr.arpa. PTR", "is an alias of ptr3.hosting.example (RFC 2317)"}},
			{args: "apply --yes"},
			{args: "plan --detailed-exitcode", code: exitDiffer},
			{args: "request ptr", says: []string{".hosting.example"}},
			{args: "verify --only host.ptr", code: exitDiffer, says: []string{"FAIL host.ptr"}},
		},
		"RFC 2317, an alias into the domain's own zone": {
			{args: "plan", says: []string{"+ ptr", "PTR mail."}, not: []string{"! "}},
			{args: "apply --yes", says: []string{"Done: 1 change"}},
			{args: "plan --detailed-exitcode", says: []string{"No changes: "}},
			{args: "verify --only dns", says: []string{", 0 failed,"}},
		},
		"DMARC that a vendor keeps": asItShould(),
		"DMARC that a vendor keeps otherwise": {
			{args: "plan", says: []string{"! _dmarc.", "is an alias of none._dmarc.vendor.example (CNAME)"}, not: []string{"+ _dmarc"}},
			{args: "apply --yes", not: []string{"error"}},
			{args: "plan --detailed-exitcode", code: exitDiffer},
			{args: "verify --only dmarc.single,dmarc.syntax,dmarc.policy", says: []string{", 0 failed,"}},
		},
		"a wildcard with a web site": {
			{args: "plan", says: []string{"+ www.", "A 2.2.2.80", "only the wildcard", "+ shop."}},
			{args: "apply --yes", says: []string{"Done: "}},
			{args: "plan --detailed-exitcode", says: []string{"No changes: "}},
			{args: "verify --only dns", says: []string{", 0 failed,"}},
		},
		"a wildcard, and no mail host yet": {
			{args: "plan", says: []string{"+ mail.", "A {A} ttl", "+ mail.{D}. MX 10 web.{D}."}, not: []string{"AAAA", "HTTPS"}},
			{args: "apply --yes", says: []string{"Done: "}},
			{args: "plan --detailed-exitcode", says: []string{"No changes: "}},
			{args: "verify --only dns", says: []string{", 0 failed,"}},
		},
		"a wildcard in a zone by hand": {
			{args: "plan", says: []string{"! www.{D}. A 2.2.2.80", "before the others at the name", "! www.{D}. MX", "! x.apps.{D}. MX", "only the wildcard *.apps.{D}, an alias of web.example"}, not: []string{"+ "}},
			{args: "apply --yes"},
			{args: "plan --detailed-exitcode", code: exitDiffer},
			{args: "request zone {D}", says: []string{"www.{D}. 3600 IN A 2.2.2.80"}},
		},
		"one whose names are entered": asItShould(),
		"a delegation in a zone by hand": {
			{args: "plan", says: []string{"! posta.{D}. MX", "posta.{D} is in zone posta.{D}, which is delegated to ns2.names.example"}},
		},
		"two lines, and a vendor's proof at _dmarc": {
			{args: "plan", says: []string{`~ _dmarc.{D}. TXT "v=DMARC1; p=reject" ttl 300, "vendor-verification=x" ttl 300`, "1 to change"}},
			{args: "apply --yes --adopt", says: []string{"Done: 1 change"}},
			{args: "plan --detailed-exitcode", says: []string{"No changes: "}},
			{args: "verify --only dns", says: []string{", 0 failed,"}},
			{args: "destroy --yes"},
		},
		"SPF by a wildcard": {
			{args: "plan", says: []string{"+ web.{D}. A 2.2.2.80", `+ web.{D}. TXT v=spf1 "v=spf1 -all"`, "+ x.web.{D}. MX"}},
			{args: "apply --yes", says: []string{"Done: "}},
			{args: "plan --detailed-exitcode", says: []string{"No changes: "}},
		},
		"mail. is delegated": {
			{args: "plan", says: []string{"! mail.", "which is delegated to ns2.names.example"}, not: []string{"+ mail."}},
			{args: "apply --yes"},
			{args: "plan --detailed-exitcode", code: exitDiffer},
			{args: "verify --only host.a", code: exitDiffer, says: []string{"FAIL host.a", "2.2.2.99"}},
		},
		"the parent points elsewhere": {
			{args: "plan", says: []string{"! {D}. NS ns1.names.example.", "now ns2.names.example.", "the parent sends resolvers to ns2.names.example", "resolvers do not see what mailpub writes"}},
			{args: "apply --yes", says: []string{"Done: "}, not: []string{"it still says something else"}},
			{args: "plan --detailed-exitcode", code: exitDiffer, says: []string{"! {D}. NS"}, not: []string{"+ "}},
			{args: "verify --only dns", code: exitDiffer, says: []string{"FAIL dns.written {D}", "cause: zone {D} is written where"}},
		},
		"DMARC by an alias of the domain": {
			{args: "plan", says: []string{"! _dmarc.", "is an alias of {D} (CNAME)"}, not: []string{"+ _dmarc"}},
			{args: "apply --yes", not: []string{"error"}},
			{args: "plan --detailed-exitcode", code: exitDiffer},
			{args: "verify --only dmarc.single,dmarc.syntax,dmarc.policy", says: []string{"none"}},
		},
		"DMARC by an alias of nothing": {
			{args: "plan", says: []string{"! _dmarc.", "is an alias of gone.hosting.example (CNAME)"}, not: []string{"+ _dmarc"}},
			{args: "apply --yes", not: []string{"error"}},
			{args: "plan --detailed-exitcode", code: exitDiffer},
		},
		"a wildcard and an empty name": {
			{args: "plan", says: []string{"+ git.{D}. MX", "+ x.git.{D}. MX"}, not: []string{"only the wildcard", "A 2.2.2.80"}},
			{args: "apply --yes", says: []string{"Done: "}},
			{args: "plan --detailed-exitcode", says: []string{"No changes: "}},
			{args: "verify --only dns", says: []string{", 0 failed,"}},
		},
		"a wildcard alias": {
			{args: "plan", says: []string{"! www.{D}. MX", "only the wildcard *.{D}, an alias of lb.hosting.example"}, not: []string{"+ www"}},
			{args: "apply --yes", not: []string{"error"}},
			{args: "plan --detailed-exitcode", code: exitDiffer},
		},
		"the mail host is an alias": {
			{args: "plan", says: []string{"+ {D}. TXT v=spf1", "! {D}. MX", "! _imaps._tcp.{D}. SRV", "which MX may not name (RFC 2181 section 10.3)", "which SRV may not name (RFC 2782)"},
				not: []string{"+ {D}. MX", "+ _imaps"}},
			{args: "apply --yes", says: []string{"Done: 1 change"}},
			{args: "plan --detailed-exitcode", code: exitDiffer, says: []string{"! {D}. MX"}},
			{args: "verify --only host.a", code: exitDiffer, says: []string{"FAIL host.a", "must not point to an alias"}},
		},
		"an office with an inner zone": {
			{args: "plan", says: []string{"No changes: "}},
			{args: "apply --yes"},
			{args: "plan --detailed-exitcode"},
			{args: "verify --only dns", says: []string{", 0 failed,", "dns.vantage", "serves an inner zone"}},
		},
	}

	for _, c := range slices.Clone(cases) { // what a server does with a zone is its own
		if slices.Contains(onEveryServer, c.name) {
			for _, server := range []string{"Knot", "PowerDNS"} {
				other := *c
				other.server = server
				cases = append(cases, &other)
			}
		}
	}

	w := newDNSWorld(t, cases)
	for _, c := range cases {
		t.Run(strings.TrimSpace(c.name+" "+c.server), func(t *testing.T) {
			t.Parallel()
			if steps[c.name] == nil {
				t.Fatal("no steps")
			}

			w.setUp(t, c)
			for _, step := range steps[c.name] {
				out := w.mailpubIn(t, c, step.code,
					strings.Fields(c.words.Replace(step.args))...)

				for _, text := range step.says {
					text = c.words.Replace(text)
					if !strings.Contains(out, text) {
						t.Errorf("%s does not say %q", step.args, text)
					}
				}

				for _, text := range step.not {
					if strings.Contains(out, text) {
						t.Errorf("%s says %q", step.args, text)
					}
				}
			}
		})
	}
}

package main

import (
	"crypto/tls"
	"strings"
)

// look-ups of an SPF record: so many terms that each take one.
func lookups(n int) string { return strings.Repeat("a:mail.{D} ", n) }

func spfRecord(terms string) published {
	return published{zone: []string{"- @ TXT", `+ @ TXT "v=spf1 ` + terms + `"`}}
}

func spfScenarios() []scenario {
	return []scenario{
		{name: "no SPF record", fails: "spf.single spf.pass", published: published{zone: []string{"- @ TXT"}}},
		{name: "two SPF records", fails: "spf.single spf.pass", published: published{zone: []string{`+ @ TXT "v=spf1 include:spf.example -all"`}}},
		{name: "the mail host's own name has no SPF record", fails: "spf.single spf.pass", published: published{zone: []string{"- mail TXT"}}},
		{name: "SPF with 11 look-ups", fails: "spf.syntax", published: spfRecord("ip4:{A} " + lookups(11) + "-all")},
		{name: "SPF with 10 look-ups", passes: "spf.syntax spf.pass spf.single", published: spfRecord("ip4:{A} " + lookups(10) + "-all")},
		{name: "SPF with 11 look-ups before our address", fails: "spf.syntax spf.pass", published: published{
			zone: []string{"- @ TXT", `+ @ TXT "v=spf1 ` + strings.Repeat("a:www.{D} ", 11) + `ip4:{A} -all"`}}},
		{name: "SPF with 11 look-ups, most of them in an include", fails: "spf.syntax", published: published{
			zone:      []string{"- @ TXT", `+ @ TXT "v=spf1 ip4:{A} include:many-{R}.example -all"`},
			elsewhere: []string{`many-{R} TXT "v=spf1 ` + lookups(10) + `~all"`}}},
		{name: "SPF with three look-ups in vain", fails: "spf.syntax", published: spfRecord("ip4:{A} a:x1.{D} a:x2.{D} a:x3.{D} -all")},
		{name: "SPF with two look-ups in vain", passes: "spf.syntax spf.pass", published: spfRecord("ip4:{A} a:x1.{D} a:x2.{D} -all")},
		{name: "SPF with names that are made of the client's address", passes: "spf.syntax spf.pass", published: spfRecord("ip4:{A} exists:%{i}.a.{D} exists:%{i}.b.{D} exists:%{i}.c.{D} -all")},
		{name: "SPF with terms parked behind all", passes: "spf.syntax spf.pass spf.all", published: spfRecord("ip4:{A} -all include:{D}")},
		{name: "SPF that includes a domain without SPF", fails: "spf.syntax", published: spfRecord("ip4:{A} include:www.{D} -all")},
		{name: "SPF that includes itself", fails: "spf.syntax spf.pass", published: spfRecord("include:{D} ip4:{A} -all")},
		{name: "SPF with a misspelt term", fails: "spf.syntax spf.pass", published: spfRecord("ipv4:{A} mx -all")},
		{name: "SPF with a misspelt term behind all", fails: "spf.syntax spf.pass", published: spfRecord("ip4:{A} -all ipv4:{A}")},
		{name: "SPF that forgets the new address", fails: "spf.pass", published: spfRecord("ip4:2.2.2.99 -all")},
		{name: "SPF that permits every sender", fails: "spf.all", published: spfRecord("mx +all")},
		{name: "SPF with a bare all", fails: "spf.all", published: spfRecord("mx all")},
		{name: "SPF that says nothing of others", warns: "spf.all", published: spfRecord("mx ?all")},
		{name: "SPF without an end", fails: "spf.all", published: spfRecord("mx ip4:{A}")},
		{name: "SPF that ends by a redirect to a whole one", passes: "spf.all spf.pass spf.syntax", published: published{
			zone: []string{"- @ TXT", `+ @ TXT "v=spf1 redirect=_spf.{D}"`, `+ _spf TXT "v=spf1 ip4:{A} ~all"`}}},
		{name: "SPF of more than 512 octets", fails: "spf.size", published: spfRecord("ip4:{A} " + longTerms(520))},
		{name: "SPF of almost 512 octets", warns: "spf.size", published: spfRecord("ip4:{A} " + longTerms(480))},
		{name: "SPF of 430 octets", passes: "spf.size", published: spfRecord("ip4:{A} " + longTerms(430))},
	}
}

// longTerms makes a record so long, or some octets shorter, in strings of less than 256.
func longTerms(octets int) string {
	const term = "ip4:192.0.2.100 "
	n := (octets - len("v=spf1 ip4:2.2.3.99 -all")) / len(term)
	return strings.Repeat(term, n/3) + `" "` + strings.Repeat(term, n/3) + `" "` +
		strings.Repeat(term, n-2*(n/3)) + "-all"
}

func zoneScenarios() []scenario {
	return []scenario{
		{name: "one authoritative server stale", fails: "dns.zone host.a", follows: "spf.pass host.fcrdns", published: published{
			second: []string{"- mail A", "+ mail A 2.2.2.99"}}},
		{name: "one authoritative server behind, in nothing that matters", warns: "dns.zone", published: published{second: []string{"+ new A 2.2.2.99"}}},
		{name: "one authoritative server has no MX yet", fails: "dns.zone mx.exists mx.expected", published: published{second: []string{"- @ MX"}}},
		{name: "lame delegation", fails: "dns.zone dns.delegation", published: published{second: []string{"lame"}}},
		{name: "one authoritative server down", warns: "dns.zone", published: published{
			zone: []string{"- @ NS", "+ @ NS ns1.names.example.", "+ @ NS closed.names.example."}, parent: []string{"- @ NS", "+ @ NS ns1.names.example.", "+ @ NS closed.names.example."}}},
		{name: "every authoritative server down", fails: "dns.zone", published: published{parent: []string{"- @ NS", "+ @ NS closed.names.example."}}},
		{name: "the parent names a server that the zone does not", warns: "dns.delegation", published: published{
			zone: []string{"- @ NS", "+ @ NS ns1.names.example."}}},
		{name: "the zone names a server that the parent does not", warns: "dns.delegation", published: published{
			parent: []string{"- @ NS", "+ @ NS ns1.names.example."}}},
		{name: "wrong glue", fails: "dns.delegation", published: published{
			zone:   []string{"- @ NS", "+ @ NS ns1", "+ @ NS ns2", "+ ns1 A " + firstServer, "+ ns2 A " + secondServer},
			parent: []string{"- @ NS", "+ @ NS ns1.{D}.", "+ @ NS ns2.{D}.", "+ ns1.{D}. A " + firstServer, "+ ns2.{D}. A " + closedServer}}},
		{name: "right glue", passes: "dns.delegation dns.zone dns.vantage", published: published{
			zone:   []string{"- @ NS", "+ @ NS ns1", "+ @ NS ns2", "+ ns1 A " + firstServer, "+ ns2 A " + secondServer},
			parent: []string{"- @ NS", "+ @ NS ns1.{D}.", "+ @ NS ns2.{D}.", "+ ns1.{D}. A " + firstServer, "+ ns2.{D}. A " + secondServer}}},
		{name: "a zone at a provider that the parent does not name", fails: "dns.written", passes: "dns.delegation dns.zone", published: published{
			config: []string{`provider: manual} => provider: desec, settings: {token: "env:TOKEN"}}`}}},
		{name: "a zone that is written at a hidden primary", passes: "dns.written dns.delegation dns.zone", published: published{
			zone: []string{"- @ NS", "+ @ NS ns1.names.example."}, parent: []string{"- @ NS", "+ @ NS ns1.names.example."},
			config: []string{`provider: manual} => provider: rfc2136, settings: {server: "` + secondServer + `:53", key_name: mailpub., key: "env:KEY"}}`}}},
		{name: "an office whose resolver serves the domain inside", warns: "dns.vantage", passes: "host.a mx.exists spf.single dns.delegation dns.zone", published: published{
			inner:  []string{"@ NS dc1", "dc1 A 10.10.10.5", "mail A 10.10.10.10"},
			config: []string{"resolvers: [" + labResolver + "] => resolvers: [" + officeServer + "]"}}},
		{name: "a signed zone", passes: "dns.dnssec dane.match", published: published{signing: signed,
			zone: []string{"+ _25._tcp.mail TLSA 3 1 1 {KEY}"}, config: []string{"  public: {ipv4: {A}} =>   public: {ipv4: {A}}\n  dane: {certificate: served}"}}},
		{name: "signed zone with expired signatures", fails: "dns.dnssec", published: published{signing: expired}},
		{name: "a signed zone that the parent has no DS of", warns: "dns.dnssec", published: published{signing: unvouched}},
		{name: "a signed zone, and the DS of another key", fails: "dns.dnssec", published: published{signing: strangeDS}},
		{name: "an unsigned zone that the parent has a DS of", fails: "dns.dnssec", published: published{signing: unsignedDS}},
	}
}

func policyScenarios() []scenario {
	dkim := func(edits ...string) published {
		return published{zone: append([]string{"- m1._domainkey TXT"}, edits...)}
	}

	dmarc := func(edits ...string) published {
		return published{zone: append([]string{"- _dmarc TXT"}, edits...)}
	}

	return []scenario{
		{name: "no DKIM record", fails: "dkim.record dkim.match", published: dkim()},
		{name: "revoked DKIM key", fails: "dkim.record dkim.match", published: dkim(`+ m1._domainkey TXT "v=DKIM1; k=rsa; p="`)},
		{name: "DKIM record cut off by a web form", fails: "dkim.record dkim.match", published: dkim(`+ m1._domainkey TXT "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQE"`)},
		{name: "DKIM record of another key", fails: "dkim.match", published: dkim(`+ m1._domainkey TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="`)},
		{name: "two DKIM records", fails: "dkim.record dkim.match", published: published{zone: []string{`+ m1._domainkey TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="`}}},
		{name: "no DMARC record", warns: "dmarc.policy", passes: "dmarc.single dmarc.syntax dmarc.reports", published: published{zone: []string{"- _dmarc TXT"},
			config: []string{"    dmarc: {policy: reject, rua: [postmaster@{D}]}\n => "}}},
		{name: "two DMARC records", fails: "dmarc.single", follows: "dmarc.policy", published: published{zone: []string{`+ _dmarc TXT "v=DMARC1; p=none"`}}},
		{name: "DMARC with a misspelt policy", fails: "dmarc.syntax", follows: "dmarc.policy", published: dmarc(`+ _dmarc TXT "v=DMARC1; p=rejct"`)},
		{name: "DMARC that asks for nothing", warns: "dmarc.policy", published: dmarc(`+ _dmarc TXT "v=DMARC1; p=none; rua=mailto:postmaster@{D}"`)},
		{name: "DMARC that a vendor keeps, by an alias", passes: "dmarc.single dmarc.syntax dmarc.policy dmarc.reports", published: published{
			zone: []string{"- _dmarc TXT", "+ _dmarc CNAME dmarc-{R}.example."}, elsewhere: []string{`dmarc-{R} TXT "v=DMARC1; p=reject"`}}},
		{name: "DMARC in other letters, with what is the default", passes: "dmarc.syntax dmarc.policy dmarc.reports", published: dmarc(`+ _dmarc TXT "v=DMARC1;p=ReJect;adkim=R;pct=100;rua=mailto:postmaster@{D}!10m"`)},
		{name: "DMARC with a tag that receivers pass over", warns: "dmarc.syntax", published: dmarc(`+ _dmarc TXT "v=DMARC1; p=reject; fo=0,1"`)},
		{name: "DMARC with reports and no policy", warns: "dmarc.syntax dmarc.policy", published: dmarc(`+ _dmarc TXT "v=DMARC1; rua=mailto:postmaster@{D}"`)},
		{name: "DMARC with a tag twice", fails: "dmarc.syntax", follows: "dmarc.policy", published: dmarc(`+ _dmarc TXT "v=DMARC1; p=none; p=reject"`)},
		{name: "DMARC reports to an address without mailto", fails: "dmarc.reports", published: dmarc(`+ _dmarc TXT "v=DMARC1; p=reject; rua=postmaster@{D}"`)},
		{name: "DMARC that is still a test", warns: "dmarc.policy", published: dmarc(`+ _dmarc TXT "v=DMARC1; p=reject; t=y"`)},
		{name: "DKIM key that a vendor keeps, by an alias", passes: "dkim.record dkim.match", published: published{
			zone: []string{"- m1._domainkey TXT", "+ m1._domainkey CNAME key-{R}.example."}, elsewhere: []string{"key-{R} TXT {DKIM}"}}},
		{name: "DKIM key of 512 bits", fails: "dkim.record dkim.match", published: dkim(`+ m1._domainkey TXT "v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMTG4WTWLu/rd4Vm8fUjHoKEL5qB+3Za2wjeNaM+OVWt+w+iKy1vM34J+ymB12Zw+Fz16QlnJr2D/Vt2Afv95QUCAwEAAQ=="`)},
		{name: "DKIM key that is not for mail", fails: "dkim.record", follows: "dkim.match", published: dkim(`+ m1._domainkey TXT "v=DKIM1; k=rsa; s=tlsrpt; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMTG4WTWLu/rd4Vm8fUjHoKEL5qB+3Za2wjeNaM+OVWt+w+iKy1vM34J+ymB12Zw+Fz16QlnJr2D/Vt2Afv95QUCAwEAAQ=="`)},
		{name: "DMARC reports to another domain without its consent", fails: "dmarc.reports", published: dmarc(`+ _dmarc TXT "v=DMARC1; p=reject; rua=mailto:r@reports.example"`)},
		{name: "DMARC reports to another domain with its consent", passes: "dmarc.reports dmarc.policy", published: published{
			zone:      []string{"- _dmarc TXT", `+ _dmarc TXT "v=DMARC1; p=reject; rua=mailto:r@reports.example"`},
			elsewhere: []string{`{D}._report._dmarc.reports TXT "v=DMARC1"`}}},
		{name: "MTA-STS without its record", fails: "sts.record", published: published{zone: []string{"- _mta-sts TXT"}}},
		{name: "MTA-STS record of the former policy", fails: "sts.record", published: published{zone: []string{"- _mta-sts TXT", `+ _mta-sts TXT "v=STSv1; id=20240101"`}}},
		{name: "MTA-STS policy that is not served", fails: "sts.policy", published: published{policy: "none"}},
		{name: "MTA-STS policy without the new MX", fails: "sts.policy", published: published{policy: "version: STSv1\nmode: enforce\nmx: mx.old.example\nmax_age: 604800\n"}},
		{name: "MTA-STS policy behind an untrusted certificate", fails: "sts.policy", published: published{shown: func(in *internet, host string) *tls.Certificate {
			in.shows["mta-sts."+strings.TrimPrefix(host, "mail.")] = in.stranger.issue(in.key, "mta-sts."+strings.TrimPrefix(host, "mail."))
			return nil
		}}},
		{name: "TLS-RPT record missing", fails: "tlsrpt.record", published: published{zone: []string{"- _smtp._tls TXT"}}},
		{name: "two TLS-RPT records", fails: "tlsrpt.record", published: published{zone: []string{`+ _smtp._tls TXT "v=TLSRPTv1; rua=mailto:x@{D}"`}}},
		{name: "TLS-RPT to an address without mailto", fails: "tlsrpt.record", published: published{zone: []string{"- _smtp._tls TXT", `+ _smtp._tls TXT "v=TLSRPTv1; rua=postmaster@{D}"`}}},
		{name: "TLSA of the last certificate", fails: "dane.match", published: published{signing: signed,
			zone: []string{"+ _25._tcp.mail TLSA 3 1 1 " + strings.Repeat("ab", 32)}}},
		{name: "TLSA in a zone that is not signed", fails: "dane.match", published: published{zone: []string{"+ _25._tcp.mail TLSA 3 1 1 {KEY}"}}},
		{name: "CAA that forbids the authority in use", fails: "caa.permits", published: published{zone: []string{"- @ CAA", `+ @ CAA 0 issue "digicert.com"`}}},
		{name: "CAA that permits several", passes: "caa.permits", published: published{zone: []string{`+ @ CAA 0 issue "digicert.com"`}}},
	}
}

func clientScenarios() []scenario {
	return []scenario{
		{name: "SRV with a wrong port", fails: "srv.clients", published: published{zone: []string{"- _imaps._tcp SRV", "+ _imaps._tcp SRV 0 1 143 mail"}}},
		{name: "SRV that points to the old server", fails: "srv.clients", published: published{zone: []string{"- _imaps._tcp SRV", "+ _imaps._tcp SRV 0 1 993 imap.old.example."}}},
		{name: "autoconfig of the old server", fails: "autoconfig.served", published: published{zone: []string{"- autoconfig CNAME", "+ autoconfig CNAME www"}}},
	}
}

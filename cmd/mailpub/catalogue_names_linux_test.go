package main

import (
	"fmt"
	"strings"
)

// What can be wrong with the mail host's own names.
func hostScenarios() []scenario {
	return []scenario{
		{name: "a site that is as it should be", passes: `config.hosts host.a host.ptr host.fcrdns mx.exists mx.expected mx.target
			spf.single spf.syntax spf.pass spf.all spf.size dkim.record dkim.match dmarc.single dmarc.syntax dmarc.policy dmarc.reports
			sts.record sts.policy tlsrpt.record dane.match caa.permits srv.clients autoconfig.served dns.zone dns.dnssec dns.delegation list.dnsbl`},
		{name: "the mail host has no address", fails: "host.a mx.target", follows: "host.fcrdns spf.pass spf.syntax srv.clients autoconfig.served",
			published: published{zone: []string{"- mail A"}}},
		{name: "the address record is the old address", fails: "host.a", follows: "host.fcrdns spf.pass",
			published: published{zone: []string{"- mail A", "+ mail A 2.2.2.99"}}},
		{name: "A behind a proxy", fails: "host.a", follows: "host.fcrdns spf.pass", // whose addresses stand in its place
			published: published{zone: []string{"- mail A", "+ mail A 104.16.1.1", "+ mail A 104.16.2.2"}}},
		{name: "the address record is the one on the LAN", fails: "host.a", follows: "host.fcrdns spf.pass",
			published: published{zone: []string{"- mail A", "+ mail A 10.10.10.10"}}},
		{name: "the mail host is an alias", fails: "host.a mx.target",
			published: published{zone: []string{"- mail A", "- mail TXT", "+ mail CNAME host", "+ host A {A}", `+ host TXT "v=spf1 a -all"`}}},
		{name: "an unwanted AAAA record", fails: "host.a",
			published: published{zone: []string{"+ mail AAAA 2001:db8::25"}}},
		{name: "the address has no PTR", fails: "host.ptr host.fcrdns", published: published{reverse: []string{"- @ PTR"}}},
		{name: "PTR of the provider's default name", fails: "host.ptr", published: published{
			reverse: []string{"- @ PTR", "+ @ PTR host-{R}.example."}, elsewhere: []string{"host-{R} A {A}"}}},
		{name: "PTR of a name that does not lead back", fails: "host.ptr host.fcrdns", published: published{
			reverse: []string{"- @ PTR", "+ @ PTR nobody.example."}}},
		{name: "two PTR records", fails: "host.ptr", published: published{reverse: []string{"+ @ PTR www.{D}."}}},
		{name: "PTR in the site's own zone, by an alias", passes: "host.ptr host.fcrdns", published: published{
			reverse: []string{"- @ PTR", "+ @ CNAME ptr.{D}."}, zone: []string{"+ ptr PTR mail"}}},
		{name: "hosts file that shadows", fails: "config.hosts", published: published{hosts: "127.0.1.1 mail.{D} mail"}},
		{name: "hosts file that says what DNS says", passes: "config.hosts", published: published{hosts: "{A} mail.{D} mail"}},
		{name: "the address is on a block list", fails: "list.dnsbl", published: published{
			elsewhere: []string{"{R}.bl A 127.0.0.2", `{R}.bl TXT "dial-up line"`}}},
	}
}

// manyRecords are 39 more MX and many octets of strangers' TXT.
func manyRecords() (edits []string) {
	for i := range 39 {
		edits = append(edits, fmt.Sprintf("+ @ MX 50 m%d", i),
			fmt.Sprintf("+ m%d A 2.2.2.4", i),
			fmt.Sprintf("+ @ TXT \"stranger%d=%s\"", i, strings.Repeat("x", 230)))
	}
	return edits
}

func mxScenarios() []scenario {
	return []scenario{
		{name: "no MX", fails: "mx.exists mx.expected", follows: "spf.syntax", published: published{zone: []string{"- @ MX"}}},
		{name: "null MX", fails: "mx.exists mx.expected", follows: "spf.syntax", published: published{zone: []string{"- @ MX", "+ @ MX 0 ."}}},
		{name: "MX to a CNAME", fails: "mx.target mx.expected", published: published{
			zone: []string{"- @ MX", "+ @ MX 10 mx", "+ mx CNAME mail"}}},
		{name: "MX to an IP address", fails: "mx.target mx.expected", follows: "spf.syntax", published: published{
			zone: []string{"- @ MX", "+ @ MX 10 {A}."}}},
		{name: "a second MX without an address", fails: "mx.target", follows: "spf.syntax", published: published{zone: []string{"+ @ MX 20 gone"}}},
		{name: "the old provider's MX still in front", fails: "mx.expected", published: published{
			zone: []string{"+ @ MX 5 mx.old.example."}, elsewhere: []string{"mx.old A 2.2.2.200"}}},
		{name: "the old provider's MX beside ours", fails: "mx.expected", published: published{
			zone: []string{"+ @ MX 10 www"}}},
		{name: "another organization's MX behind ours", passes: "mx.expected mx.target mx.exists", published: published{zone: []string{"+ @ MX 50 www"}}},
		{name: "a domain with 40 MX and 10,000 octets of TXT", warns: "spf.size", passes: "mx.exists mx.target mx.expected spf.single spf.syntax spf.pass", published: published{
			zone: append([]string{"- @ TXT", `+ @ TXT "v=spf1 ip4:{A} -all"`}, manyRecords()...)}},
		{name: "40 MX and SPF that asks for them", fails: "spf.syntax spf.pass", warns: "spf.size", published: published{zone: manyRecords()}},
		{name: "our MX twice", warns: "mx.expected", published: published{zone: []string{"+ @ MX 20 mail"}}},
	}
}

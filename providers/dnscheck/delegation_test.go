package dnscheck

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/servertest"
)

func TestDelegation(t *testing.T) {
	const ns, a = "nomeazienda.it. 3600 NS ns.nomeazienda.it.", "ns.nomeazienda.it. 3600 A 127.0.0.1"
	zone := map[string][]string{
		"nomeazienda.it. SOA": {"nomeazienda.it. 3600 SOA ns.nomeazienda.it. hostmaster.nomeazienda.it. 1 3600 600 86400 300"},
		"nomeazienda.it. NS":  {ns}, "ns.nomeazienda.it. A": {a}, "ns.nomeazienda.it. AAAA": {},
		"ns2.nomeazienda.it. A":    {"ns2.nomeazienda.it. 3600 A 127.0.0.2"},
		"ns2.nomeazienda.it. AAAA": {},
	}

	tests := []struct {
		name   string
		parent []string // the referral; nil refuses
		own    []string // NS of the zone
		lame   bool     // the server does not hold the zone
		status plan.Status
		got    string
	}{
		{"right", []string{"authority:" + ns, "glue:" + a}, []string{ns}, false, plan.Pass, "ns.nomeazienda.it."},
		{"wrong glue", []string{"authority:" + ns, "glue:ns.nomeazienda.it. 3600 A 192.0.2.9"}, []string{ns}, false, plan.Fail, "ns.nomeazienda.it is at 127.0.0.1, the parent says 192.0.2.9"},
		{"no glue", []string{"authority:" + ns}, []string{ns}, false, plan.Fail, "no glue"},
		{"one more in the zone", []string{"authority:" + ns, "glue:" + a}, []string{ns, "nomeazienda.it. 3600 NS ns2.nomeazienda.it."}, false, plan.Warn, "the zone names ns2.nomeazienda.it."},
		{"one more at the parent", []string{"authority:" + ns, "authority:nomeazienda.it. 3600 NS ns2.nomeazienda.it.", "glue:" + a, "glue:ns2.nomeazienda.it. 3600 A 127.0.0.2"}, []string{ns}, false, plan.Warn, "the parent names ns2.nomeazienda.it."},
		{"lame", []string{"authority:" + ns, "glue:" + a}, []string{ns}, true, plan.Fail, "where the zone is not served"},
		{"not delegated", []string{}, []string{ns}, false, plan.Skip, "does not delegate"},
		{"the parent refuses", nil, []string{ns}, false, plan.Skip, "does not delegate nomeazienda.it (REFUSED)"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			replies := map[string][]string{}
			for q, lines := range zone {
				replies[q] = lines
			}

			replies["nomeazienda.it. NS"] = test.own
			own := servertest.Scripted(t, true, replies)
			_, port, _ := net.SplitHostPort(own)

			if test.lame { // another server is at the address that the parent names
				bad := servertest.Scripted(t, false, nil)
				_, port, _ = net.SplitHostPort(bad)
			}

			referral := map[string][]string{}
			if test.parent != nil {
				referral["nomeazienda.it. NS"] = test.parent
			}

			f := siteFacts(own)
			f.Zones = []string{"nomeazienda.it"}
			f.port = port
			f.Nameservers = map[string][]string{"nomeazienda.it.": {own},
				"it.": {servertest.Scripted(t, false, referral)}}

			for _, checker := range Checks(f) {
				if !slices.Contains(checker.IDs, "dns.delegation") {
					continue
				}

				found := checker.Run(t.Context())
				wellFormed(t, []plan.Checker{checker}, found)
				if len(found) != 1 || found[0].Status != test.status ||
					!strings.Contains(found[0].Got, test.got) {
					t.Errorf("%+v, want %s with %q", found, test.status, test.got)
				}
			}
		})
	}
}

func TestBlockLists(t *testing.T) {
	const q = "2.2.2.2.bl.example.net."
	tests := []struct {
		name   string
		a      []string
		status plan.Status
		got    string
	}{
		{"not listed", []string{}, plan.Pass, "not listed"},
		{"listed", []string{q + " 60 A 127.0.0.2"}, plan.Fail, "127.0.0.2: spam seen"},
		{"refuses who asks", []string{q + " 60 A 127.255.255.254"}, plan.Skip, "refuses the question: 127.255.255.254"},
		{"ended, or altered on the way", []string{q + " 60 A 192.0.2.1"}, plan.Skip, "no answer of a block list"},
		{"can't be asked", nil, plan.Skip, "REFUSED"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			replies := map[string][]string{q + " TXT": {q + ` 60 TXT "spam seen"`}}
			if test.a != nil {
				replies[q+" A"] = test.a
			}

			f := siteFacts(servertest.Scripted(t, true, replies))
			f.BlockLists = []string{"bl.example.net"}
			for _, checker := range Checks(f) {
				if checker.IDs[0] != "list.dnsbl" {
					continue
				}

				found := checker.Run(t.Context())
				wellFormed(t, []plan.Checker{checker}, found)
				if len(found) != 1 || found[0].Status != test.status ||
					!strings.Contains(found[0].Got, test.got) {
					t.Errorf("%+v, want %s with %q", found, test.status, test.got)
				}
			}
		})
	}
}

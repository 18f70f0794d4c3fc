package dnscheck

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/servertest"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// Whatever a name server does, what it did not say is neither passed nor failed.
func TestChecksSurviveServers(t *testing.T) {
	reply := func(change func(*dns.Msg)) dns.HandlerFunc {
		return func(w dns.ResponseWriter, m *dns.Msg) {
			r := new(dns.Msg).SetReply(m)
			change(r)
			w.WriteMsg(r)
		}
	}

	for name, handle := range map[string]dns.HandlerFunc{
		"SERVFAIL":     reply(func(r *dns.Msg) { r.Rcode = dns.RcodeServerFailure }),
		"says nothing": func(dns.ResponseWriter, *dns.Msg) {},
		"always truncates": reply(func(r *dns.Msg) {
			r.Truncated = true
			r.Rcode = dns.RcodeServerFailure
		}),
		"another question": reply(func(r *dns.Msg) {
			r.Question[0].Name = "example.org."
		}),
		"garbage": func(w dns.ResponseWriter, _ *dns.Msg) {
			w.Write([]byte{1, 2, 3})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := siteFacts(servertest.Handled(t, handle))
			f.Zones = []string{zonetest.Zone}
			f.BlockLists = []string{"bl.example.net"}
			checkers := Checks(f)
			found := plan.RunChecks(t.Context(), checkers)
			wellFormed(t, checkers, found)

			for _, c := range found {
				if c.Status != plan.Skip && c.ID != "config.hosts" {
					t.Errorf("%s %s is %s: %s", c.ID, c.Subject, c.Status, c.Got)
				}
			}
		})
	}
}

// A domain with 40 MX, and 10,000 octets of strangers' texts beside its SPF record.
func TestChecksOfLargeDomain(t *testing.T) {
	zone := zonetest.GoodZone
	for i := range 40 {
		zone += fmt.Sprintf("@ IN MX 20 m%d\nm%d IN A 192.0.2.%d\n@ IN TXT \"stranger%d=%s\"\n",
			i, i, i+1, i, strings.Repeat("x", 240))
	}

	f := siteFacts(zonetest.Serve(t, map[string]string{zonetest.Zone: zone,
		zonetest.ReverseZone: zonetest.GoodReverse}))

	targets := 0
	for _, c := range plan.RunChecks(t.Context(), Checks(f)) {
		switch {
		case c.ID == "mx.target":
			targets++
		case c.ID == "spf.single" && c.Status != plan.Pass:
			t.Errorf("%+v", c)
		}

		if c.ID == "mx.target" && c.Status != plan.Pass {
			t.Errorf("%+v", c)
		}
	}

	if targets != 41 {
		t.Errorf("%d targets, want 41", targets)
	}
}

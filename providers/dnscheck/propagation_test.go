package dnscheck

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/rfc2136"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// written is a change that was made, as Settle is handed it.
func written(name, rrtype string, before, after []string) plan.Change {
	c := plan.Change{
		Key:    mail.DNSKey(name, rrtype),
		Action: plan.Update,
		Before: before,
		After:  after,
	}

	if before == nil {
		c.Action = plan.Create
	}

	return c
}

func TestSettle(t *testing.T) {
	first := zonetest.Start(t, nothing)
	second := zonetest.Start(t, nothing)
	dead := zonetest.Start(t, nothing)
	dead.Close()
	f := Facts{
		Resolver: &resolver.Resolver{
			Servers:  []string{first.Addr()},
			Timeout:  200 * time.Millisecond,
			Attempts: 1,
		},
		Nameservers: map[string][]string{zonetest.Zone: {first.Addr(), second.Addr(), dead.Addr()}},
	}

	changes := []plan.Change{
		written("mail."+zonetest.Zone, "A", []string{"192.0.2.1 ttl 7200"},
			[]string{"2.2.2.2 ttl 300"}),
		written(zonetest.Zone, "MX", nil, []string{"10 mail." + zonetest.Zone + " ttl 300"}),
	}

	put := func(s *authdns.Server) {
		err := zonetest.ApplyAll(t, openUpdates(t, s.Addr()),
			zonetest.Change{
				Key:    mail.DNSKey("mail."+zonetest.Zone, "A"),
				Before: nil,
				After:  []string{"2.2.2.2 ttl 300"},
			},
			zonetest.Change{
				Key:    mail.DNSKey(zonetest.Zone, "MX"),
				Before: nil,
				After:  []string{"10 mail." + zonetest.Zone + " ttl 300"},
			})

		if err != nil {
			t.Fatal(err)
		}
	}

	put(first)
	rounds := 0
	s := f.WaitPropagated(t.Context(), changes, func(behind []StaleServer) {
		if rounds++; rounds == 1 {
			if len(behind) != 1 || behind[0].Server != second.Addr() {
				t.Errorf("behind is %+v", behind)
			}
			put(second)
		}
	})

	if rounds != 1 || len(s.Agree) != 2 || len(s.Behind) != 0 {
		t.Errorf("after %d rounds: %+v", rounds, s)
	}

	if len(s.Silent) != 1 || !strings.Contains(s.Silent[0].Error(), dead.Addr()) {
		t.Errorf("silent: %v", s.Silent)
	}

	if s.Old != 2*time.Hour {
		t.Errorf("the old answer lives for %v", s.Old)
	}
}

// It gives up when its time is over, and says who is behind with what.
func TestSettleEnds(t *testing.T) {
	server := zonetest.Start(t, nothing)
	f := Facts{
		Resolver:    &resolver.Resolver{Servers: []string{server.Addr()}},
		Nameservers: map[string][]string{zonetest.Zone: {server.Addr()}},
	}

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()

	s := f.WaitPropagated(ctx, []plan.Change{written(zonetest.Zone, "MX", nil,
		[]string{"10 mail." + zonetest.Zone + " ttl 300"})}, nil)

	if len(s.Agree) != 0 || len(s.Behind) != 1 ||
		s.Behind[0].Key != mail.DNSKey(zonetest.Zone, "MX") {
		t.Errorf("%+v", s)
	}
}

// A resolver that remembers is named, with the time until it forgets; strangers' text beside a
// narrowed key does not count.
func TestSettleRemembered(t *testing.T) {
	now := zonetest.Start(t, nothing)
	then := zonetest.Start(t, nothing)
	key := mail.TaggedTXT(zonetest.Zone, "v=spf1")

	for server, text := range map[*authdns.Server]string{now: `"v=spf1 mx -all"`,
		then: `"v=spf1 -all"`} {
		if err := zonetest.ApplyAll(t, openUpdates(t, server.Addr()), zonetest.Change{
			Key:    key,
			Before: nil,
			After:  []string{text},
		}); err != nil {
			t.Fatal(err)
		}
	}

	f := Facts{
		Resolver:    &resolver.Resolver{Servers: []string{then.Addr()}},
		Nameservers: map[string][]string{zonetest.Zone: {now.Addr()}},
	}

	c := plan.Change{
		Key:    key,
		Action: plan.Update,
		Before: []string{`"v=spf1 -all"`},
		After:  []string{`"v=spf1 mx -all"`},
	}

	s := f.WaitPropagated(t.Context(), []plan.Change{c}, nil)
	if len(s.Agree) != 1 || len(s.Cached) != 1 || s.Cached[0].Server != then.Addr() ||
		s.Cached[0].Left <= 0 {
		t.Errorf("%+v", s)
	}
}

// Of very many changes some are asked about, the last among them.
func TestSettlePicks(t *testing.T) {
	var many []plan.Change
	for range 1000 {
		many = append(many, written("x."+zonetest.Zone, "A", nil, []string{"192.0.2.1 ttl 60"}))
	}

	many = append(many, written(zonetest.Zone, "MX", nil, nil))
	xs := expectations(many)
	if len(xs) != settleMost || xs[len(xs)-1].Type != "MX" {
		t.Errorf("%d picked, the last is %s", len(xs), xs[len(xs)-1].RRset)
	}
}

func nothing(*authdns.Config) {}

// openUpdates returns the driver of the zone of the tests at a server that takes updates.
func openUpdates(t *testing.T, server string) *zone.Zone {
	t.Helper()
	z, err := zone.Open(rfc2136.Provider(), zone.Options{
		Zone: zonetest.Zone,
		Settings: map[string]string{
			"server":   server,
			"key_name": "mailpub.",
			"key":      zonetest.Secret,
		},
	})

	if err != nil {
		t.Fatal(err)
	}

	return z
}

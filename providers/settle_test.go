package providers

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/authdns"
)

// written is a change that was made, as Settle is handed it.
func written(name, rrtype string, before, after []string) plan.Change {
	c := plan.Change{Key: mail.DNSKey(name, rrtype), Action: plan.Update, Before: before, After: after}
	if before == nil {
		c.Action = plan.Create
	}
	return c
}

func TestSettle(t *testing.T) {
	first, second := startDNS(t, nothing), startDNS(t, nothing)
	dead := startDNS(t, nothing)
	dead.Close()
	f := Facts{
		Resolver:    &Resolver{Servers: []string{first.Addr()}, Timeout: 200 * time.Millisecond, Attempts: 1},
		Nameservers: map[string][]string{testZone: {first.Addr(), second.Addr(), dead.Addr()}},
	}
	changes := []plan.Change{
		written("mail."+testZone, "A", []string{"192.0.2.1 ttl 7200"}, []string{"2.2.2.2 ttl 300"}),
		written(testZone, "MX", nil, []string{"10 mail." + testZone + " ttl 300"}),
	}
	put := func(s *authdns.Server) {
		err := applyAll(t, openUpdates(t, s.Addr()),
			change{mail.DNSKey("mail."+testZone, "A"), nil, []string{"2.2.2.2 ttl 300"}},
			change{mail.DNSKey(testZone, "MX"), nil, []string{"10 mail." + testZone + " ttl 300"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(first)
	rounds := 0
	s := f.Settle(t.Context(), changes, func(behind []Behind) {
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
	server := startDNS(t, nothing)
	f := Facts{Resolver: &Resolver{Servers: []string{server.Addr()}}, Nameservers: map[string][]string{testZone: {server.Addr()}}}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s := f.Settle(ctx, []plan.Change{written(testZone, "MX", nil, []string{"10 mail." + testZone + " ttl 300"})}, nil)
	if len(s.Agree) != 0 || len(s.Behind) != 1 || s.Behind[0].Key != mail.DNSKey(testZone, "MX") {
		t.Errorf("%+v", s)
	}
}

// A resolver that remembers is named, with the time until it forgets; strangers' text beside a
// narrowed key does not count.
func TestSettleRemembered(t *testing.T) {
	now, then := startDNS(t, nothing), startDNS(t, nothing)
	key := mail.TaggedTXT(testZone, "v=spf1")
	for server, text := range map[*authdns.Server]string{now: `"v=spf1 mx -all"`, then: `"v=spf1 -all"`} {
		if err := applyAll(t, openUpdates(t, server.Addr()), change{key, nil, []string{text}}); err != nil {
			t.Fatal(err)
		}
	}
	f := Facts{Resolver: &Resolver{Servers: []string{then.Addr()}}, Nameservers: map[string][]string{testZone: {now.Addr()}}}
	c := plan.Change{Key: key, Action: plan.Update, Before: []string{`"v=spf1 -all"`}, After: []string{`"v=spf1 mx -all"`}}
	s := f.Settle(t.Context(), []plan.Change{c}, nil)
	if len(s.Agree) != 1 || len(s.Cached) != 1 || s.Cached[0].Server != then.Addr() || s.Cached[0].Left <= 0 {
		t.Errorf("%+v", s)
	}
}

// Of very many changes some are asked about, the last among them.
func TestSettlePicks(t *testing.T) {
	var many []plan.Change
	for range 1000 {
		many = append(many, written("x."+testZone, "A", nil, []string{"192.0.2.1 ttl 60"}))
	}
	many = append(many, written(testZone, "MX", nil, nil))
	xs := expectations(many)
	if len(xs) != settleMost || xs[len(xs)-1].rrtype != "MX" {
		t.Errorf("%d picked, the last is %s", len(xs), xs[len(xs)-1].rrset)
	}
}

func nothing(*authdns.Config) {}

// openUpdates returns the driver of the zone of the tests at a server that takes updates.
func openUpdates(t *testing.T, server string) *Zone {
	t.Helper()
	z, err := openZone(rfc2136Provider(), Options{Zone: testZone, Settings: map[string]string{
		"server":   server,
		"key_name": "mailpub.",
		"key":      testSecret,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return z
}

package mail

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
)

func TestCutover(t *testing.T) {
	update := func(name, rrtype string, before, after []string) plan.Change {
		return plan.Change{
			Target: plan.ParseTarget("zone z."),
			Key:    DNSKey(name, rrtype),
			Action: plan.Update,
			Before: before,
			After:  after,
		}
	}

	a := update("mail.z", "A", []string{"192.0.2.1 ttl 3600"}, []string{"2.2.2.2 ttl 7200"})
	mx := update("z", "MX", []string{"10 old. ttl 60", "20 old2. ttl 60"},
		[]string{"10 mail.z. ttl 3600"})

	changes := []plan.Change{
		a, mx,
		update("other.z", "A", []string{"192.0.2.9 ttl 60"}, []string{"192.0.2.9 ttl 3600"}), // only the TTL
		update("z", "CAA", []string{`0 issue "x" ttl 60`}, []string{`0 issue "y" ttl 60`}),
		{Key: DNSKey("new.z", "A"), Action: plan.Create, After: []string{"2.2.2.2 ttl 3600"}},
		{Key: DNSKey("gone.z", "A"), Action: plan.Update, Release: true, Before: []string{"2.2.2.2 ttl 1"}, After: []string{"192.0.2.1 ttl 1"}},
		{Key: plan.Key{Kind: "forward", Name: "tcp/25"}, Action: plan.Update, Before: []string{"a"}, After: []string{"b"}},
	}

	movers := MovingChanges(changes)
	if len(movers) != 2 || movers[0].Key != a.Key || movers[1].Key != mx.Key {
		t.Fatalf("movers are %v", movers)
	}

	c, lower := NewCutover("site", movers, 60)
	if len(lower) != 1 || lower[0].Key != a.Key || lower[0].After[0] != "192.0.2.1 ttl 60" ||
		lower[0].Before[0] != "192.0.2.1 ttl 3600" {
		t.Errorf("lowered: %+v", lower)
	}

	if !c.Until().IsZero() {
		t.Error("it counts before the TTL is lowered")
	}

	c.Since = time.Unix(1000, 0)
	if got := c.Until(); !got.Equal(time.Unix(4600, 0)) {
		t.Errorf("until %v", got)
	}

	held := c.WithLowTTL(changes)
	if len(held) != len(changes) || held[0].After[0] != "2.2.2.2 ttl 60" ||
		held[1].After[0] != "10 mail.z. ttl 60" || held[4].After[0] != "2.2.2.2 ttl 3600" {
		t.Errorf("held: %+v", held)
	}

	if changes[0].After[0] != "2.2.2.2 ttl 7200" {
		t.Error("the plan itself was changed")
	}

	// After the move only the TTL differs, and that is held.
	done := []plan.Change{update("mail.z", "A", []string{"2.2.2.2 ttl 60"},
		[]string{"2.2.2.2 ttl 7200"})}

	if held := c.WithLowTTL(done); len(held) != 0 {
		t.Errorf("held: %+v", held)
	}

	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}

	back, err := DecodeCutover(data, "site")
	if err != nil || !back.Until().Equal(c.Until()) || !back.IsMoving(mx.Key) {
		t.Errorf("%+v, %v", back, err)
	}

	for _, bad := range []string{`{}`, `[]`, `{"format":"mailpub/cutover/v1","site":"other"}`} {
		if _, err := DecodeCutover([]byte(bad), "site"); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

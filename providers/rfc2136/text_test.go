package rfc2136

import (
	"slices"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/zonetest"
)

func TestTextComesAndGoes(t *testing.T) {
	s := zonetest.Start(t, nil)
	z := openTest(t, s.Addr(), nil)
	name := "_acme-challenge." + zonetest.Zone
	key := mail.DNSKey(name, "TXT")
	is := func(want ...string) {
		t.Helper()
		items, err := z.Read(t.Context(), []plan.Key{key})
		if err != nil {
			t.Fatal(err)
		}

		var got []string
		for _, it := range items {
			got = append(got, it.Lines...)
		}

		if !slices.Equal(got, want) {
			t.Errorf("there is %q, want %q", got, want)
		}
	}

	before := s.Dump(zonetest.Zone)
	for _, text := range []string{"one", "two", "one"} {
		if _, err := z.AddText(t.Context(), name, text); err != nil {
			t.Fatal(err)
		}
	}

	is(`"one" ttl 3600`, `"two" ttl 3600`)
	if c, err := z.RemoveText(t.Context(), name, "one"); err != nil || c.Action != plan.Update {
		t.Fatalf("%+v, %v", c, err)
	}

	is(`"two" ttl 3600`)
	for range 2 { // the second time it is gone already
		if _, err := z.RemoveText(t.Context(), name, "two"); err != nil {
			t.Fatal(err)
		}
	}

	is()
	if after := s.Dump(zonetest.Zone); !slices.Equal(before, after) {
		t.Errorf("before %q\nafter %q", before, after)
	}

	if _, err := z.AddText(t.Context(), "_acme-challenge.elsewhere.example.", "x"); err == nil {
		t.Error("a text outside the zone was written")
	}
}

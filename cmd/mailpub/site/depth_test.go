package site

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/zone"
)

// memoryState is a State in memory.
type memoryState map[string][]byte

func (m memoryState) Read(name string) ([]byte, error) { return m[name], nil }

func (m memoryState) Write(name string, data []byte) error {
	m[name] = data
	return nil
}

// A provider is read on a reason, and once a day; a name server that sends the zone whole is at each look.
func TestWhenProvidersAreRead(t *testing.T) {
	cfg := &config.Config{Site: "office", Zones: []config.Zone{
		{Name: "nomeazienda.it", Provider: "hetzner"},
		{Name: "nomeazienda.com", Provider: "cloudflare"},
		{Name: "bind.example", Provider: "rfc2136"},
		{Name: "hand.example", Provider: "manual"},
	}}

	now := time.Now()
	state := memoryState{}
	digest := "1"
	ledger := plan.NewLedger("office")

	// look is one look; it returns the zones that are due, those that are so for their age with a "~".
	look := func(p *Plan, read bool) (due []string, at time.Time) {
		t.Helper()
		r := &apiReader{
			state:  state,
			digest: digest,
			log:    slog.New(slog.DiscardHandler),
			now:    func() time.Time { return now },
		}

		r.begin(cfg, ledger)
		for _, z := range cfg.Zones {
			one := r.reading(z)
			if one == nil {
				continue
			}
			switch {
			case one.Routine:
				due = append(due, "~"+z.Name)
			case one.Due:
				due = append(due, z.Name)
			}
			if one.Due && read {
				one.Read = true
				one.Kept = &zone.KeptRead{At: now}
			}
		}

		return due, r.end(p)
	}

	both := []string{"nomeazienda.it", "nomeazienda.com"}
	well := &Plan{Plan: &plan.Plan{}}
	expect := func(what string, p *Plan, want ...string) {
		t.Helper()
		if got, _ := look(p, true); !slices.Equal(got, want) {
			t.Errorf("%s: %q are read, want %q", what, got, want)
		}
	}

	if due, at := look(well, false); !slices.Equal(due, both) || !at.IsZero() {
		t.Errorf("nothing was read: %q, at %v", due, at)
	}

	expect("at first", well, both...)
	expect("again", well)
	if _, at := look(well, true); !at.Equal(now) {
		t.Errorf("read at %v, want %v", at, now)
	}

	digest = "2"
	expect("the config changed", well, both...)
	expect("again", well)
	ledger.Put(plan.Entry{Key: mail.DNSKey("nomeazienda.it", "MX"), Text: []string{"10 mail"}})
	expect("the ledger changed", well, both...)

	target := mail.ZoneTarget("nomeazienda.com")
	differs := &Plan{Plan: &plan.Plan{Changes: []plan.Change{{Target: target, Action: plan.Create}}}}
	expect("one differs now", differs)
	expect("one differs", well, "nomeazienda.com")
	unread := &Plan{Plan: &plan.Plan{Failed: []plan.PartyError{{Target: target}}}}
	expect("one can't be read now", unread)
	expect("one could not be read", nil, "nomeazienda.com")
	expect("no plan was made", well, both...)

	now = now.Add(apiEvery - apiJitter - time.Minute)
	expect("a part of a day later", well)
	now = now.Add(apiJitter + time.Minute)
	expect("a day later", well, "~nomeazienda.it", "~nomeazienda.com")
	now = now.Add(-time.Hour)
	expect("the clock was set back", well, "~nomeazienda.it", "~nomeazienda.com")
}

// The times at which many zones are read are spread.
func TestReadsAreSpread(t *testing.T) {
	hours := map[time.Duration]int{}
	for i := range 4000 {
		j := jitterOf("site", string(rune('a'+i%26))+time.Duration(i).String())
		if j < 0 || j >= apiJitter {
			t.Fatalf("jitter %v", j)
		}
		hours[j.Truncate(time.Hour)]++
	}

	for h, n := range hours {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 4000 in hour %v", n, h)
		}
	}
}

package providertest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/plantest"
)

// Harness is a zone at a provider. The zone holds no records at the names that the suite
// writes: everything in Kinds, and below "suite".
type Harness struct {
	Zone string // absolute

	// Open returns a driver that knows nothing yet, as a new process would have.
	Open func(t *testing.T) plan.Driver

	// Put replaces each key's whole RRset, as a stranger would; without lines it is taken
	// away. Lines have a TTL. Names may have capitals.
	Put func(t *testing.T, sets ...Set)

	// Dump returns the zone's records in a form that can be compared, sorted, without SOA
	// and signatures. It shows order within an RRset where the provider keeps one.
	Dump func(t *testing.T) []string

	// TTL and OtherTTL are two that the provider takes; 0 is 3600 and 7200. LowTTL is one
	// that it does not take; 0 where it takes all.
	TTL, OtherTTL, LowTTL int

	// Without are the types that the provider can't hold.
	Without []string
	// Refused says which text the provider can't hold; nil: none.
	Refused func(text string) bool
	// RefusedData says which data of other types the provider can't hold; nil: none.
	RefusedData func(rrtype, data string) bool

	Large int // records of the large zone; 0 is 1,200

	// Between calls intrude once, after Apply has read the zone and as late before it
	// writes as the provider can notice. Nil where nobody can get between.
	Between func(t *testing.T, intrude func())

	// Web stands before a provider's web interface; nil for others.
	Web *Gate
	// Secret is what may not be seen in an error.
	Secret string
}

// Set is an RRset as a stranger writes it.
type Set struct {
	Key   plan.Key
	Lines []string
}

// Run runs the suite. newHarness is called once for each test and makes a fresh zone.
func Run(t *testing.T, newHarness func(t *testing.T) *Harness) {
	make := func(t *testing.T) *Harness {
		h := newHarness(t)
		if h.TTL == 0 {
			h.TTL = 3600
			h.OtherTTL = 7200
		}

		if h.Large == 0 {
			h.Large = 1200
		}

		return h
	}

	t.Run("as any driver", func(t *testing.T) {
		plantest.Run(t, func(t *testing.T) plantest.Harness { return make(t).plain(t) })
	})

	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) { c.run(t, make(t)) })
	}

	for _, c := range webCases() {
		t.Run(c.name, func(t *testing.T) {
			if h := make(t); h.Web != nil {
				c.run(t, h)
			}
		})
	}
}

type testCase struct {
	name string
	run  func(*testing.T, *Harness)
}

// plain is the harness of plan/plantest. Its strangers are the zone as it was.
func (h *Harness) plain(t *testing.T) plantest.Harness {
	items := []plan.Item{
		{Key: mail.DNSKey("mail."+h.Zone, "A"), Lines: h.lines("2.2.2.2"), Stage: plan.StageAddress},
		{Key: mail.DNSKey("mail."+h.Zone, "AAAA"), Lines: h.lines("2001:db8::2", "2001:db8::3"), Stage: plan.StageAddress},
		{Key: mail.DNSKey(h.Zone, "MX"), Lines: h.lines("10 mail." + h.Zone), Stage: plan.StageMail},
		{Key: mail.TaggedTXT(h.Zone, "v=spf1"), Lines: []string{mail.TextData("v=spf1 mx ip4:2.2.2.2 -all")}, Stage: plan.StageRecord},
	}

	start := h.Dump(t)
	return plantest.Harness{
		Driver: h.Open(t),
		Items:  items,
		Other:  h.lines("2.2.2.3"),
		Foreign: func(t *testing.T, k plan.Key, lines []string) {
			h.Put(t, Set{k, lines})
		},
		Strangers: func(t *testing.T) []string {
			return slices.DeleteFunc(h.Dump(t), func(l string) bool {
				return !slices.Contains(start, l)
			})
		},
	}
}

// lines are the canonical lines of values with the harness' TTL.
func (h *Harness) lines(values ...string) (out []string) {
	for _, v := range values {
		out = append(out, mail.RecordLine(v, h.TTL))
	}
	slices.Sort(out)
	return out
}

func change(k plan.Key, before, after []string) plan.Change {
	c := plan.Change{
		Key:    k,
		Action: plan.Update,
		Before: before,
		After:  after,
	}

	switch {
	case before == nil:
		c.Action = plan.Create
	case after == nil:
		c.Action = plan.Delete
	}

	return c
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func apply(t *testing.T, d plan.Driver, batch ...plan.Change) error {
	t.Helper()
	return d.Apply(deadline(t), batch, func(plan.Change, error) {})
}

func must(t *testing.T, d plan.Driver, batch ...plan.Change) {
	t.Helper()
	if err := apply(t, d, batch...); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

// read returns a key's lines as a new process sees them.
func (h *Harness) read(t *testing.T, keys ...plan.Key) map[plan.Key][]string {
	t.Helper()
	items, err := h.Open(t).Read(deadline(t), keys)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}

	out := map[plan.Key][]string{}
	for _, it := range items {
		if it.Unreadable != "" {
			t.Errorf("%v is unreadable: %s", it.Key, it.Unreadable)
		}
		out[it.Key] = it.Lines
	}

	return out
}

func (h *Harness) expect(t *testing.T, k plan.Key, want []string) {
	t.Helper()
	if got := h.read(t, k)[k]; !slices.Equal(got, want) {
		t.Errorf("%v is %q, want %q", k, got, want)
	}
}

// unchanged compares the zone with an earlier dump.
func (h *Harness) unchanged(t *testing.T, before []string) {
	t.Helper()
	after := h.Dump(t)
	for _, l := range before {
		if !slices.Contains(after, l) {
			t.Errorf("gone or changed: %s", l)
		}
	}

	for _, l := range after {
		if !slices.Contains(before, l) {
			t.Errorf("new: %s", l)
		}
	}
}

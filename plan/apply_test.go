package plan_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/plantest"
)

// saver counts and keeps nothing.
type saver struct {
	n   int
	err error
}

func (s *saver) Save(*plan.Ledger) error { s.n++; return s.err }

func item(kind, name, text string, stage plan.Stage) plan.Item {
	return plan.Item{
		Key: plan.Key{
			Kind: kind,
			Name: name,
		},
		Lines:  []string{text},
		Stage:  stage,
		Reason: "tested",
	}
}

// site is a world of a router and a zone, with a forward, an address, and an MX.
type site struct {
	router, zone *plantest.Memory
	parties      []plan.Party
	ledger       *plan.Ledger
	store        *saver
}

func newSite() *site {
	s := &site{
		router: plantest.NewMemory("forward"),
		zone:   plantest.NewMemory("dns"),
		ledger: plan.NewLedger("s"),
		store:  &saver{},
	}

	s.parties = []plan.Party{
		{Target: plan.ParseTarget("router"), Driver: s.router, Wanted: []plan.Item{item("forward", "tcp/25", "10.0.0.1:25", plan.StageForward)}},
		{Target: plan.ParseTarget("zone x"), Driver: s.zone, Wanted: []plan.Item{
			item("dns", "x. MX", "10 mail.x. ttl 60", plan.StageMail),
			item("dns", "mail.x. A", "192.0.2.1 ttl 60", plan.StageAddress),
		}},
	}

	return s
}

func (s *site) plan(t *testing.T) *plan.Plan {
	t.Helper()
	p, err := plan.Make(t.Context(), s.parties, s.ledger, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *site) apply(t *testing.T, o plan.Options) error {
	t.Helper()
	return plan.Apply(t.Context(), s.plan(t), s.parties, s.ledger, s.store, o)
}

func TestApplyTellsAndStopsAtTheGate(t *testing.T) {
	s := newSite()
	shut := errors.New("nothing answers")
	var story []string
	o := plan.Options{
		Gates: []plan.Gate{{Stage: plan.StageMail, Name: "the mail host answers", Check: func(context.Context) error { return shut }}},
		Progress: func(e plan.Event) {
			what := e.Gate
			if what == "" {
				what = fmt.Sprintf("%d/%d %s", e.N, e.Of, e.Change.Key.Name)
			}
			story = append(story, fmt.Sprint(e.Phase, " ", what))
		},
	}

	err := s.apply(t, o)
	var gate plan.GateError
	if !errors.As(err, &gate) || !errors.Is(err, shut) {
		t.Fatalf("error %v, want the gate's", err)
	}

	if s.zone.Snapshot()[plan.Key{Kind: "dns", Name: "x. MX"}] != nil {
		t.Error("MX was written behind a shut gate")
	}

	if len(s.zone.Snapshot()) != 1 || len(s.router.Snapshot()) != 1 || s.ledger.Len() != 2 {
		t.Errorf("before the gate: zone %v, router %v, %d in the ledger", s.zone.World,
			s.router.World, s.ledger.Len())
	}

	shut = nil
	if err := s.apply(t, o); err != nil {
		t.Fatal(err)
	}

	want := []string{"0 1/3 tcp/25", "1 1/3 tcp/25", "0 2/3 mail.x. A", "1 2/3 mail.x. A",
		"4 the mail host answers",
		"3 the mail host answers", "0 1/1 x. MX", "1 1/1 x. MX"}

	if got := strings.Join(story, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("told:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}

	saves := s.store.n
	if err := s.apply(t, plan.Options{}); err != nil || s.store.n != saves {
		t.Errorf("a second apply: %v, %d saves", err, s.store.n-saves)
	}
}

func TestApplyNeedsConsent(t *testing.T) {
	s := newSite()
	s.zone.Set(plan.Key{Kind: "dns", Name: "x. MX"}, []string{"5 old.provider. ttl 60"})
	if err := s.apply(t, plan.Options{}); !errors.Is(err, plan.ErrConsent) ||
		s.router.Wrote+s.zone.Wrote+s.store.n != 0 {
		t.Fatalf("error %v, %d writes, %d saves", err, s.router.Wrote+s.zone.Wrote, s.store.n)
	}

	if err := s.apply(t, plan.Options{Adopt: true}); err != nil {
		t.Fatal(err)
	}

	for i := range s.parties {
		s.parties[i].Wanted = nil
	}

	if err := s.apply(t, plan.Options{}); err != nil {
		t.Fatal(err)
	}

	if got := s.zone.Snapshot(); len(got) != 1 || got[plan.Key{
		Kind: "dns",
		Name: "x. MX",
	}][0] != "5 old.provider. ttl 60" {
		t.Errorf("the zone was not put back: %v", got)
	}
}

func TestApplyStopsAtTheFirstError(t *testing.T) {
	s := newSite()
	broken := errors.New("refused")
	s.zone.Interrupt = func(string) error { return broken }
	if err := s.apply(t, plan.Options{}); !errors.Is(err, broken) ||
		!strings.HasPrefix(err.Error(), "zone x: ") {
		t.Fatalf("error %v", err)
	}

	if e, ok := s.ledger.Get(plan.Key{Kind: "forward", Name: "tcp/25"}); !ok || e.Text == nil {
		t.Error("what succeeded before is not in the ledger")
	}

	s.zone.Interrupt = nil
	if err := s.apply(t, plan.Options{}); err != nil || s.plan(t).Differs() {
		t.Errorf("it did not go on: %v", err)
	}
}

func TestApplyWithoutAWritableLedger(t *testing.T) {
	s := newSite()
	s.store.err = errors.New("read-only file system")
	if err := s.apply(t, plan.Options{}); err == nil || s.router.Wrote+s.zone.Wrote != 0 {
		t.Errorf("error %v, %d writes", err, s.router.Wrote+s.zone.Wrote)
	}
}

// deaf is a driver that can't be read.
type deaf struct{ *plantest.Memory }

func (deaf) Read(context.Context, []plan.Key) ([]plan.Item, error) {
	return nil, errors.New("no route")
}

func TestUnreadableParty(t *testing.T) {
	s := newSite()
	s.parties[0].Driver = deaf{s.router}
	p := s.plan(t)

	if got := p.Summary(); got != (plan.Summary{Create: 2, Unreadable: 1}) || !p.Differs() {
		t.Errorf("summary %+v", got)
	}

	var which plan.PartyError
	if err := s.apply(t, plan.Options{}); !errors.As(err, &which) ||
		which.Target.Kind != "router" || s.zone.Wrote != 0 {
		t.Errorf("error %v, %d writes", err, s.zone.Wrote)
	}
}

func TestPartyThatLeftTheConfig(t *testing.T) {
	s := newSite()
	if err := s.apply(t, plan.Options{}); err != nil {
		t.Fatal(err)
	}

	s.parties = s.parties[:1]
	p := s.plan(t)
	if got := p.Summary(); got.Unreadable != 2 || p.Writes() != 0 {
		t.Errorf("summary %+v", got)
	}

	// A key that moved to another party is not taken away by the one that had it.
	s = newSite()
	if err := s.apply(t, plan.Options{}); err != nil {
		t.Fatal(err)
	}

	s.parties = append(s.parties, plan.Party{
		Target: plan.ParseTarget("zone y"),
		Driver: s.zone,
		Wanted: s.parties[1].Wanted,
	})

	s.parties[1].Wanted = nil
	if err := s.apply(t, plan.Options{}); err != nil || s.zone.Wrote != 2 ||
		len(s.zone.Snapshot()) != 2 {
		t.Errorf("%v, %d writes, zone %v", err, s.zone.Wrote, s.zone.Snapshot())
	}
}

// keeper gives one thing not back.
type keeper struct {
	*plantest.Memory
	kept plan.Key
}

func (k keeper) Apply(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	var stays error
	for _, c := range batch {
		if c.Action == plan.Delete && c.Key == k.kept {
			stays = &plan.StaysError{Left: time.Hour, Err: errors.New("it says no")}
			done(c, stays)
			continue
		}

		if err := k.Memory.Apply(ctx, []plan.Change{c}, done); err != nil {
			return err
		}
	}

	return stays
}

// What alone can't be taken away stops nothing else, is named in the end, and stays in the ledger
// until it is gone.
func TestRemovalGoesPastWhatStays(t *testing.T) {
	s := newSite()
	s.parties[0].Wanted = append(s.parties[0].Wanted,
		item("forward", "tcp/143", "10.0.0.1:143", plan.StageForward))

	if err := s.apply(t, plan.Options{}); err != nil {
		t.Fatal(err)
	}

	kept := plan.Key{Kind: "forward", Name: "tcp/143"}
	for i := range s.parties {
		s.parties[i].Wanted = nil
	}

	s.parties[0].Driver = keeper{s.router, kept}
	for range 2 { // a second run knows it still
		err := s.apply(t, plan.Options{})
		if !errors.As(err, new(*plan.StaysError)) ||
			err.Error() != "tcp/143: it says no; it ends by itself in 1 h" {
			t.Fatalf("got %v", err)
		}

		if len(s.router.Snapshot()) != 1 || len(s.zone.Snapshot()) != 0 {
			t.Fatalf("left: %v %v", s.router.Snapshot(), s.zone.Snapshot())
		}

		if e, ok := s.ledger.Get(kept); !ok || s.ledger.Len() != 1 || e.Text == nil {
			t.Fatalf("ledger: %+v", s.ledger.Entries())
		}
	}

	s.parties[0].Driver = s.router
	if err := s.apply(t, plan.Options{}); err != nil || s.ledger.Len() != 0 {
		t.Fatalf("%v, ledger %v", err, s.ledger.Entries())
	}
}

// What was lent and ran out is told from what was taken away.
func TestLapsedLease(t *testing.T) {
	w := item("forward", "tcp/25", "10.0.0.1:25", plan.StageForward)
	w.Lease = time.Hour
	l := plan.NewLedger("s")
	e := plan.Entry{
		Key:    w.Key,
		Target: plan.ParseTarget("router"),
		Stage:  w.Stage,
		Text:   w.Lines,
	}

	for _, test := range []struct {
		made   time.Time
		reason string
		lapsed bool
	}{
		{testTime.Add(-3 * time.Hour), "its lease of 1 h ran out 2 h ago; tested", true},
		{testTime.Add(-10 * time.Minute), "was put in place and is gone; tested", false},
	} {
		e.Grant = &plan.Grant{Lifetime: time.Hour, At: test.made}
		l.Put(e)
		d := plan.Diff(e.Target, []plan.Item{w}, nil, l, testTime)
		if len(d.Changes) != 1 || d.Changes[0].Reason != test.reason ||
			d.Changes[0].Lapsed != test.lapsed {
			t.Errorf("%+v", d.Changes)
		}
	}
}

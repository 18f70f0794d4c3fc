package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

var (
	addrA = netip.MustParseAddr("2.2.2.2")
	addrB = netip.MustParseAddr("2.2.2.7")
)

// fake is a site in memory, and whoever is told of it.
type fake struct {
	mu    sync.Mutex
	start time.Time

	found   Observation
	looks   []time.Time
	looking func(ctx context.Context) // during a look

	orders []RepairRequest
	mend   func(RepairRequest) (RepairResult, error)

	notices   []Notice
	events    []Event
	snapshots []Snapshot
	signals   chan RouterEvent
	kept      []byte
	saves     int
	busy      bool
	full      bool // the disk
}

func newFake() *fake {
	f := &fake{signals: make(chan RouterEvent), start: time.Now()}
	f.well()
	return f
}

// set changes the fake's world.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// well makes everything as it should be.
func (f *fake) well() {
	f.found = Observation{Public: []netip.Addr{addrA}, Report: plan.Report{Checks: checks("")}}
}

// checks are those of a site of which some ids fail, and others, after a question mark, are not
// known.
func checks(fails string) (all []plan.Check) {
	forward := func(port uint16) plan.Subject {
		s := plan.OfKey(plan.Key{Kind: "forward", Name: fmt.Sprintf("tcp/%d", port)})
		s.Port = port
		return s
	}

	for _, c := range []plan.Check{
		{ID: catalog.RouterGateway, Subject: plan.About("router")},
		{ID: catalog.RouterForward, Subject: forward(25)},
		{ID: catalog.RouterForward, Subject: forward(110)},
		{ID: catalog.MXExists, Subject: plan.OfName("nomeazienda.it")},
		{ID: catalog.PortOutside, Subject: plan.OfService("smtp", "2.2.2.2:25")},
	} {
		c.Status = plan.Pass
		c.Want = "well"
		id := subjectOfCheck(c).String()

		for _, word := range strings.Split(fails, ",") {
			switch word {
			case id, c.ID:
				c.Status = plan.Fail
				c.Got = "not well"
				c.Hint = "mend it"
			case "?" + c.ID:
				c.Status = plan.Skip
				c.Got = "no router to ask"
				c.Reason = plan.ReasonSilent
			}
		}

		all = append(all, c)
	}

	return all
}

func (f *fake) fails(ids string) { f.found.Report.Checks = checks(ids) }

func (f *fake) site() Site {
	return Site{
		Name:     "nomeazienda",
		File:     "site.yaml",
		Home:     "/state/nomeazienda",
		Digest:   "1",
		Host:     "mail.nomeazienda.it",
		Schedule: Schedule{Every: 15 * time.Minute},
		Policy: Policy{
			Repair:         []string{Router},
			ChangesPerHour: 4,
			Confirm:        30 * time.Second,
		},
		Channels: []Channel{{Name: "test", Send: func(_ context.Context, n Notice) error {
			f.set(func() { f.notices = append(f.notices, n) })
			return nil
		}}},
		Look: func(ctx context.Context) Observation {
			f.mu.Lock()
			f.looks = append(f.looks, time.Now())
			looking := f.looking
			found := f.found
			f.mu.Unlock()

			if looking != nil {
				looking(ctx)
			}

			changes := found.Report.Changes
			found.Report = catalog.NewReport(found.Report.Site, found.Report.Checks)
			found.Report.Changes = changes

			return found
		},
		Repair: func(_ context.Context, o RepairRequest) (RepairResult, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.orders = append(f.orders, o)
			if f.mend == nil {
				return RepairResult{}, nil
			}
			return f.mend(o)
		},
		Listen: func(ctx context.Context, tell func(RouterEvent)) error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case s := <-f.signals:
					tell(s)
				}
			}
		},
		Busy:   func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.busy },
		Memory: f,
	}
}

func (f *fake) Load() ([]byte, error) { f.mu.Lock(); defer f.mu.Unlock(); return f.kept, nil }
func (f *fake) Save(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.full {
		return errors.New("no space left on device")
	}

	f.kept = b
	f.saves = f.saves + 1
	return nil
}
func (f *fake) Seen(s Snapshot) {
	f.set(func() {
		f.snapshots = append(f.snapshots, s)
	})
}
func (f *fake) Happened(e Event) { f.set(func() { f.events = append(f.events, e) }) }

// view is what came of it so far.
type view struct {
	looks   []time.Time
	orders  []RepairRequest
	notices []Notice
	events  []Event
	saves   int
}

func (f *fake) view() view {
	f.mu.Lock()
	defer f.mu.Unlock()
	return view{f.looks, f.orders, f.notices, f.events, f.saves}
}

// told are the kinds of the notices so far.
func (f *fake) told() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var kinds []string
	for _, n := range f.notices {
		kinds = append(kinds, string(n.Kind))
	}
	return strings.Join(kinds, " ")
}

func (f *fake) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, n := range f.notices {
		fmt.Fprintf(&b, "[%s after %v]\n%s\n", n.Kind, n.At.Sub(f.start), n.Text)
	}
	return b.String()
}

// expect fails unless these were the notices so far.
func (f *fake) expect(t *testing.T, kinds string) {
	t.Helper()
	if got := f.told(); got != kinds {
		t.Fatalf("told %q, want %q:\n%s", got, kinds, f.text())
	}
}

// last is the snapshot of the last pass.
func (f *fake) last() Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.snapshots) == 0 {
		return Snapshot{}
	}
	return f.snapshots[len(f.snapshots)-1]
}

// happenings counts the events of a kind.
func (f *fake) happenings(k Kind) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()

	for _, e := range f.events {
		if e.Kind == k {
			n++
		}
	}

	return n
}

// start runs a daemon of some sites until the test ends.
func start(t *testing.T, f *fake, change func(*Daemon, *Site)) (*Daemon, context.CancelFunc) {
	t.Helper()
	site := f.site()
	d := &Daemon{Observers: []Observer{f}, Random: func(int64) int64 { return 0 }}

	if change != nil {
		change(d, &site)
	}

	if d.Load == nil {
		d.Load = func(context.Context) ([]Site, []BadConfig, error) {
			return []Site{site}, nil, nil
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()

	return d, func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// watched is a test, in virtual time, of a daemon of one site that is well at first.
func watched(t *testing.T, change func(*Daemon, *Site), test func(*testing.T, *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		_, stop := start(t, f, change)
		defer stop()
		test(t, f)
	})
}

var errSilent = errors.New("no router answers")

// forwards are changes that put forwards back.
func forwards(ports ...string) (all []plan.Change) {
	for _, p := range ports {
		all = append(all, plan.Change{
			Target: plan.ParseTarget("router"),
			Key: plan.Key{
				Kind: "forward",
				Name: "tcp/" + p,
			},
			Action: plan.Create,
			After:  []string{"10.10.10.10:" + p},
		})
	}

	return all
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// pass lets time pass, until nothing is left to do in it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

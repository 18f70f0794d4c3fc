package postfix

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/mail"
)

// faultyDisk fails from a step on: at that one alone, or ever after.
type faultyDisk struct {
	at     int // 0: never
	always bool
	steps  int
	failed string // the step that failed first
}

var errFull = errors.New("no space left on device")

func (f *faultyDisk) fail(step, path string) error {
	f.steps++
	if f.at == 0 || f.steps < f.at || f.steps > f.at && !f.always {
		return nil
	}

	if f.failed == "" {
		f.failed = step + " " + path
	}

	return errFull
}

// site is a site on a server, with its ledger in memory.
type site struct {
	*world
	ledger *plan.Ledger
}

// Save implements plan.Store.
func (*site) Save(*plan.Ledger) error { return nil }

// run plans and applies, with a disk, everything or that it goes.
func (s *site) run(t *testing.T, disk *faultyDisk, wanted bool) error {
	t.Helper()
	s.Driver.Disk = durable.Disk{Fail: disk.fail}
	party := plan.Party{Target: plan.Target{Kind: mail.TargetService}, Driver: s.Driver}

	if wanted {
		party.Wanted = []plan.Item{
			{Key: key("main.cf disable_vrfy_command"), Lines: []string{"yes"}},
			{Key: key("main.cf mydestination nomeazienda.it"), Lines: []string{mail.Served}},
			{Key: key("virtual abuse@nomeazienda.it"), Lines: []string{"mario"}},
			{Key: key("dovecot auth"), Lines: []string{socket}},
			{Key: key("hosts mail.nomeazienda.it"), Lines: []string{mail.NotElsewhere}},
		}
	}

	p, err := plan.Make(t.Context(), []plan.Party{party}, s.ledger, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	err = plan.Apply(t.Context(), p, []plan.Party{party}, s.ledger, s,
		plan.Options{Adopt: true})

	return errors.Join(err, plan.Unread(p.Changes))
}

// Whichever write, sync or rename fails, once or for good, half written or not at all: either everything is as
// before and that is said, or it is said that it is not. With a disk that works again the next run
// brings about what is wanted, and destroy every byte as it was.
func TestDiskFaults(t *testing.T) {
	faults := 2 // of each kind; a soak has all
	if n, err := strconv.Atoi(os.Getenv(killsEnv)); err == nil {
		faults = n
	}

	steps := map[bool]int{}
	first := newSite(t)
	for _, wanted := range []bool{true, false} {
		disk := &faultyDisk{}
		if err := first.run(t, disk, wanted); err != nil {
			t.Fatal(err)
		}
		steps[wanted] = disk.steps
	}

	t.Logf("apply writes in %d steps, destroy in %d", steps[true], steps[false])
	var all sync.WaitGroup
	defer all.Wait()

	for _, kind := range []struct{ wanted, always bool }{{true, false}, {true, true},
		{false, false}, {false, true}} {
		all.Go(func() {
			t.Run(fmt.Sprintf("wanted %t, always %t", kind.wanted, kind.always),
				func(t *testing.T) {
					s := newSite(t)
					before := s.Files(t)
					for _, n := range rand.Perm(steps[kind.wanted])[:min(faults,
						steps[kind.wanted])] {
						at := n + 1
						s.fault(t, &faultyDisk{at: at, always: kind.always}, kind.wanted)
						if err := s.run(t, &faultyDisk{}, false); err != nil {
							t.Fatalf("step %d: destroy: %v", at, err)
						}

						sameBytes(t, s.Files(t), before)
						if t.Failed() {
							t.Fatalf("after a fault at step %d", at)
						}
					}
				})
		})
	}
}

func newSite(t *testing.T) *site {
	s := &site{newWorld(t), plan.NewLedger("office")}
	s.Patience = 5 * time.Second
	s.Driver.Public = []netip.Addr{netip.MustParseAddr("2.2.2.2")}
	return s
}

// fault runs once with a disk that fails, and again with one that works.
func (s *site) fault(t *testing.T, disk *faultyDisk, wanted bool) {
	t.Helper()
	if !wanted {
		if err := s.run(t, &faultyDisk{}, true); err != nil {
			t.Fatal(err)
		}
	}

	files := s.Files(t)
	err := s.run(t, disk, wanted)
	switch {
	case disk.failed == "":
		t.Fatalf("nothing is written in step %d", disk.at)
	case err == nil:
		if !strings.HasPrefix(disk.failed, "remove ") &&
			!strings.HasPrefix(disk.failed, "sync the directory ") {
			t.Errorf("%s fails, and nobody says so", disk.failed)
		}
	case strings.Contains(err.Error(), "everything was put back"), strings.Contains(err.Error(),
		"nothing was changed"):
		sameBytes(t, s.Files(t), files)
	case !errors.Is(err, errFull):
		t.Errorf("%s fails: %v", disk.failed, err)
	}

	if err := s.run(t, &faultyDisk{}, wanted); err != nil {
		t.Fatalf("after %s failed (%v), with a disk that works: %v", disk.failed, err, err)
	}

	if err := s.run(t, &faultyDisk{}, wanted); err != nil {
		t.Fatal(err)
	}
}

package plantest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Backends is a place where ledgers are kept, with nothing in it at the start.
type Backends struct {
	// Open returns the backend of a site, each time as another process would: what is opened
	// twice shares nothing but the place.
	Open func(t *testing.T, site string) plan.Backend

	// Steal takes a held lock away from its holder, as an operator or a lost connection does.
	// Nil where that can't happen.
	Steal func(t *testing.T, site string)
}

// RunBackend runs the conformance suite of a plan.Backend. newBackends is called once for each
// test.
func RunBackend(t *testing.T, newBackends func(t *testing.T) Backends) {
	tests := []struct {
		name string
		run  func(*testing.T, Backends)
	}{
		{"a new site has an empty ledger", testNewSite},
		{"what was saved is read, with and without a lock", testSaved},
		{"what is not saved is not seen", testUnsaved},
		{"a lock keeps others out and names its holder", testExcludes},
		{"a lock that is waited for is had when it is given back", testWaits},
		{"waiting ends with the context", testWaitEnds},
		{"sites do not disturb each other", testSites},
		{"a save after unlocking is refused", testSaveUnlocked},
		{"a save under a stolen lock is refused", testStolen},
		{"no change is lost between processes", testContended},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, newBackends(t)) })
	}
}

func backendEntry(n int) plan.Entry {
	return plan.Entry{
		Key:    plan.Key{Kind: "forward", Name: fmt.Sprintf("tcp/%d", n)},
		Target: plan.Target{Kind: "router"},
		Stage:  plan.StageForward,
		Text:   []string{"10.10.10.10:25"},
		Grant: &plan.Grant{
			Lifetime: time.Hour,
			At:       time.Unix(1764435600, 0).UTC(),
			State:    "nonce",
		},
	}
}

func take(t *testing.T, b plan.Backend) plan.Lock {
	t.Helper()
	lock, err := b.Lock(t.Context(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func put(t *testing.T, lock plan.Lock, entries ...plan.Entry) {
	t.Helper()
	for _, e := range entries {
		lock.Ledger().Put(e)
	}
	if err := lock.Save(lock.Ledger()); err != nil {
		t.Fatal(err)
	}
}

func giveBack(t *testing.T, lock plan.Lock) {
	t.Helper()
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func keysIn(t *testing.T, b plan.Backend) (names []string) {
	t.Helper()
	l, err := b.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, e := range l.Entries() {
		names = append(names, e.Key.Name)
	}

	return names
}

func testNewSite(t *testing.T, h Backends) {
	b := h.Open(t, "office")
	l, err := b.Read(t.Context())
	if err != nil || l.Site != "office" || l.Len() != 0 {
		t.Fatalf("a new site: %+v, %v", l, err)
	}

	lock := take(t, b)
	defer giveBack(t, lock)

	if got := lock.Ledger(); got.Site != "office" || got.Len() != 0 {
		t.Errorf("under the lock: %+v", got)
	}
}

func testSaved(t *testing.T, h Backends) {
	lock := take(t, h.Open(t, "office"))
	put(t, lock, backendEntry(25), backendEntry(110))
	other := h.Open(t, "office")

	if got := keysIn(t, other); !slices.Equal(got, []string{"tcp/110", "tcp/25"}) {
		t.Errorf("read beside the lock: %q", got)
	}

	giveBack(t, lock)
	again := take(t, other)
	defer giveBack(t, again)

	want := backendEntry(25)
	got, ok := again.Ledger().Get(want.Key)
	if !ok || !slices.Equal(got.Text, want.Text) || got.Target != want.Target ||
		got.Stage != want.Stage || *got.Grant != *want.Grant {
		t.Errorf("came back as %+v (%v), want %+v", got, ok, want)
	}
}

func testUnsaved(t *testing.T, h Backends) {
	lock := take(t, h.Open(t, "office"))
	lock.Ledger().Put(backendEntry(25))
	giveBack(t, lock)
	if got := keysIn(t, h.Open(t, "office")); len(got) != 0 {
		t.Errorf("read %q", got)
	}
}

func testExcludes(t *testing.T, h Backends) {
	first := h.Open(t, "office")
	second := h.Open(t, "office")
	if second.Locked(t.Context()) {
		t.Error("locked before anybody locked it")
	}

	lock := take(t, first)
	if !second.Locked(t.Context()) {
		t.Error("not locked while somebody holds the lock")
	}

	_, err := second.Lock(t.Context(), 0)
	var locked plan.LockedError
	if !errors.Is(err, plan.ErrLocked) || !errors.As(err, &locked) || locked.Holder == "" ||
		!strings.Contains(err.Error(), locked.Holder) {
		t.Errorf("error %v, want a LockedError with its holder", err)
	}

	giveBack(t, lock)
	if second.Locked(t.Context()) {
		t.Error("locked after it was given back")
	}

	giveBack(t, take(t, second))
}

func testWaits(t *testing.T, h Backends) {
	lock := take(t, h.Open(t, "office"))
	waiting := h.Open(t, "office")
	got := make(chan error, 1)
	go func() {
		second, err := waiting.Lock(t.Context(), time.Minute)
		if err == nil {
			err = second.Unlock()
		}
		got <- err
	}()

	put(t, lock, backendEntry(25))
	giveBack(t, lock)
	if err := <-got; err != nil {
		t.Errorf("the one that waited: %v", err)
	}
}

func testWaitEnds(t *testing.T, h Backends) {
	lock := take(t, h.Open(t, "office"))
	defer giveBack(t, lock)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if second, err := h.Open(t, "office").Lock(ctx, time.Minute); err == nil {
		t.Errorf("got the lock: %v", second)
	}
}

func testSites(t *testing.T, h Backends) {
	office := take(t, h.Open(t, "office"))
	home := take(t, h.Open(t, "home"))
	put(t, office, backendEntry(25))
	put(t, home, backendEntry(143))
	giveBack(t, office)
	giveBack(t, home)

	if got := keysIn(t, h.Open(t, "home")); !slices.Equal(got, []string{"tcp/143"}) {
		t.Errorf("home has %q", got)
	}
}

func testSaveUnlocked(t *testing.T, h Backends) {
	lock := take(t, h.Open(t, "office"))
	put(t, lock, backendEntry(25))
	giveBack(t, lock)
	lock.Ledger().Put(backendEntry(110))
	if err := lock.Save(lock.Ledger()); !errors.Is(err, plan.ErrLockLost) {
		t.Errorf("error %v, want ErrLockLost", err)
	}

	if got := keysIn(t, h.Open(t, "office")); !slices.Equal(got, []string{"tcp/25"}) {
		t.Errorf("saved all the same: %q", got)
	}
}

func testStolen(t *testing.T, h Backends) {
	if h.Steal == nil {
		return
	}

	lock := take(t, h.Open(t, "office"))
	put(t, lock, backendEntry(25))
	h.Steal(t, "office")
	thief := take(t, h.Open(t, "office"))
	put(t, thief, backendEntry(143))
	lock.Ledger().Put(backendEntry(110))
	if err := lock.Save(lock.Ledger()); !errors.Is(err, plan.ErrLockLost) {
		t.Errorf("error %v, want ErrLockLost", err)
	}

	giveBack(t, thief)
	if got := keysIn(t, h.Open(t, "office")); !slices.Equal(got,
		[]string{"tcp/143", "tcp/25"}) {
		t.Errorf("the ledger has %q", got)
	}
}

func testContended(t *testing.T, h Backends) {
	const workers, rounds = 4, 5
	var wg sync.WaitGroup
	for w := range workers {
		b := h.Open(t, "office")
		wg.Go(func() {
			for r := range rounds {
				lock, err := b.Lock(t.Context(), time.Minute)
				if err != nil {
					t.Error(err)
					return
				}

				lock.Ledger().Put(backendEntry(1000 + w*rounds + r))
				if err := errors.Join(lock.Save(lock.Ledger()), lock.Unlock()); err != nil {
					t.Error(err)
				}
			}
		})
	}

	wg.Wait()
	if got := keysIn(t, h.Open(t, "office")); len(got) != workers*rounds {
		t.Errorf("%d of %d entries are there", len(got), workers*rounds)
	}
}

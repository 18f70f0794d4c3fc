package ledger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// lead leads a site within a moment, or reports who does.
func lead(t *testing.T, l *Leads, dir, site string) (release func(), other string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	release, err := l.Lead(ctx, dir, site, func(who string) { other = who; cancel() })
	if err != nil && other == "" {
		t.Fatal(err)
	}

	return release, other
}

func announce(t *testing.T, l *Leads, dir string, sites ...string) {
	t.Helper()
	if err := l.Announce(dir, sites); err != nil {
		t.Fatal(err)
	}
}

// One lock stands for all sites of a directory; who waits for it gets all of them, the moment that it is free.
func TestLeads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	one := &Leads{}
	two := &Leads{}
	const sites = 200
	var names []string
	for i := range sites {
		names = append(names, fmt.Sprintf("site-%d", i))
	}

	announce(t, one, dir, names...)
	announce(t, two, dir, names...)
	var held []func()
	for _, name := range names {
		release, other := lead(t, one, dir, name)
		if other != "" {
			t.Fatalf("%s is led by %s", name, other)
		}
		held = append(held, release)
	}

	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 3 {
		t.Errorf("%d sites have %q, %v", sites, left, err)
	}

	var all sync.WaitGroup
	var mu sync.Mutex
	waiting, leading := 0, 0
	for _, name := range names {
		all.Go(func() {
			release, err := two.Lead(t.Context(), dir, name, func(string) {
				mu.Lock()
				defer mu.Unlock()
				waiting++
			})
			if err != nil {
				t.Error(err)
				return
			}

			mu.Lock()
			defer mu.Unlock()
			leading++
			held = append(held, release)
		})
	}

	for count := 0; count < sites; time.Sleep(time.Millisecond) {
		mu.Lock()
		count = waiting
		mu.Unlock()
	}

	mu.Lock()
	if leading > 0 {
		t.Errorf("%d sites are led by both", leading)
	}

	first := held[:sites]
	held = held[sites:]
	mu.Unlock()
	for _, release := range first {
		release()
	}

	all.Wait()
	if _, other := lead(t, one, dir, "site-7"); other == "" {
		t.Error("both lead")
	}

	for _, release := range held {
		release()
	}
	if release, other := lead(t, one, dir, "site-7"); other != "" {
		t.Errorf("it is free, and led by %s", other)
	} else {
		release()
	}
}

// Two processes watch different sites of one directory. What one drops, the other may lead.
func TestLeadsOfDifferentSites(t *testing.T) {
	dir := t.TempDir()
	one := &Leads{}
	two := &Leads{}
	announce(t, one, dir, "a", "b")
	announce(t, two, dir, "b", "c")
	leadA, other := lead(t, one, dir, "a")
	if other != "" {
		t.Fatal(other)
	}

	leadC, other := lead(t, two, dir, "c")
	if other != "" {
		t.Fatalf("nobody watches c, and %s does", other)
	}
	if _, other := lead(t, two, dir, "b"); other == "" {
		t.Error("b is watched by one, and two leads it")
	}
	if _, other := lead(t, one, dir, "c"); other == "" {
		t.Error("c is led by both")
	}

	got := make(chan error, 1)
	waits := make(chan bool, 1)
	var leadB func()
	go func() {
		release, err := two.Lead(t.Context(), dir, "b", func(string) { waits <- true })
		leadB = release
		got <- err
	}()

	<-waits
	announce(t, one, dir, "a")
	if err := <-got; err != nil {
		t.Fatal(err)
	}

	leadA()
	leadB()
	leadC()
	if left, _ := filepath.Glob(filepath.Join(dir, "*.holder")); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

// A lock that an older version holds for one site counts.
func TestLeadsBesideAnOlderVersion(t *testing.T) {
	dir := t.TempDir()
	old, err := leadAlone(t.Context(), filepath.Join(dir, "a.watch.lock"), nil)
	if err != nil {
		t.Fatal(err)
	}

	l := &Leads{}
	announce(t, l, dir, "a", "b")
	if _, other := lead(t, l, dir, "a"); other == "" {
		t.Error("both lead a")
	}
	if _, other := lead(t, l, dir, "b"); other != "" {
		t.Errorf("b is led by %s", other)
	}

	old.release()
	if _, other := lead(t, l, dir, "a"); other != "" {
		t.Errorf("a is led by %s", other)
	}
}

// A directory that can't be written to is an error, not a wait.
func TestLeadsFail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	_, err := new(Leads).Lead(t.Context(), file, "a", func(string) { t.Error("it waits") })
	if err == nil {
		t.Error("it leads")
	}
}

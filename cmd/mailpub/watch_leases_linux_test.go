package main

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/ledger"
)

// grants are what the router granted of the forwards, as the ledger has it.
func (s *siteInLab) grants() map[plan.Key]plan.Grant {
	s.t.Helper()
	l, err := ledger.Files{
		Dir:  s.dir + "/.mailpub",
		Site: "nomeazienda",
	}.Read(context.Background())

	if err != nil {
		s.t.Fatal(err)
	}

	all := map[plan.Key]plan.Grant{}
	for _, e := range l.Entries() {
		if e.Key.Kind == forward.Kind && e.Grant != nil {
			all[e.Key] = *e.Grant
		}
	}

	return all
}

// TestLabLeases has a router that grants short leases, and really ends what is not renewed: while watch
// runs the forwards outlive their first lease by renewal alone, without a word; while it is
// stopped they run out, and come back when it starts.
func TestLabLeases(t *testing.T) {
	t.Parallel()
	const lease = 24 * time.Second // watch leaves 10 s between renewals
	s := newSiteInLab(t, lab.Options{NoUPnP: true, Lease: int(lease / time.Second)})
	s.tellInto("")
	s.services()
	s.mailpub(exitOK, "apply", "--yes")
	first := s.grants()

	if len(first) != 5 {
		t.Fatalf("granted: %v", first)
	}

	var ends time.Time
	for key, g := range first {
		if g.Lifetime <= 0 || g.Lifetime > lease {
			t.Fatalf("%v: granted for %v, want at most %v", key, g.Lifetime, lease)
		}
		if g.Expires().After(ends) {
			ends = g.Expires()
		}
	}

	w := s.watch("-v")
	w.says("msg=looked", 1)
	for time.Now().Before(ends.Add(4 * time.Second)) { // nothing is there for that long but by renewal
		if got := s.lab.Mappings(t); len(got) != 5 {
			t.Fatalf("%v before the first lease ends the router forwards %v", time.Until(ends),
				got)
		}
		time.Sleep(time.Second)
	}

	w.says("event=renewed", 1)
	for key, g := range s.grants() {
		if !g.At.After(first[key].At) || !g.Expires().After(ends) {
			t.Errorf("%v: granted until %v, at first until %v", key, g.Expires(),
				first[key].Expires())
		}
	}

	s.told(0, "")
	s.send("nonce-renewed", "postmaster@nomeazienda.it")

	w.end(syscall.SIGTERM)
	stopped := time.Now()
	for len(s.lab.Mappings(t)) > 0 {
		if time.Since(stopped) > lease+20*time.Second {
			t.Fatalf("the router still forwards %v, %v after the last renewal",
				s.lab.Mappings(t), time.Since(stopped))
		}
		time.Sleep(500 * time.Millisecond)
	}

	t.Logf("the leases ran out %v after watch was stopped",
		time.Since(stopped).Round(time.Second))

	for _, g := range s.grants() { // the router's clock is a second ahead of what it granted
		time.Sleep(time.Until(g.Expires().Add(time.Second)))
	}

	began := time.Now()
	s.watch("-v")
	s.eventually("all forwards are back", func() bool {
		return len(s.lab.Mappings(t)) == 5
	})

	t.Logf("the forwards were back %v after watch started",
		time.Since(began).Round(10*time.Millisecond))

	has(t, s.told(0, "broke repaired")[1].Title, "repaired:", "(5)")
	s.send("nonce-back", "postmaster@nomeazienda.it")
}

package fleet

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan"
)

func officeAt(at time.Time, status plan.Status) watch.Snapshot {
	return watch.Snapshot{
		Site: "office",
		At:   at,
		Took: time.Second,
		Next: at.Add(15 * time.Minute),
		Report: plan.Report{
			Site:   "office",
			Checks: []plan.Check{{ID: "mx.exists", Status: status}},
		},
	}
}

// What watch sees is on the page at once, and in the history for the next daemon.
func TestHistory(t *testing.T) {
	dir := t.TempDir()
	start := time.Now().Add(-time.Hour)
	sites := []watch.Site{{Name: "office", File: "office.yaml", Home: filepath.Join(dir, "office")},
		{Name: "branch", Home: filepath.Join(dir, "branch")}}

	begin := func() (*historyRecorder, *page.Server, func()) {
		pages := page.NewServer("test")
		c := newHistoryRecorder(slog.New(slog.DiscardHandler), pages)
		c.setSites(sites)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); c.run(ctx) }()
		return c, pages, func() { stop(); <-ended }
	}

	c, pages, end := begin()
	if got := pages.Sites(); len(got) != 2 || got[1].File != "office.yaml" ||
		got[1].State() != history.Unknown {
		t.Errorf("before the first look: %+v", got)
	}

	c.Seen(officeAt(start, plan.Pass))
	c.Happened(watch.Event{
		Site:    "office",
		At:      start.Add(10 * time.Minute),
		Kind:    watch.Broke,
		Subject: "mx.exists",
		Text:    "MX is gone",
	})

	c.Seen(officeAt(start.Add(10*time.Minute), plan.Fail))
	if got := pages.Sites()[1]; got.State() != history.Bad || len(got.Events) != 1 ||
		got.Events[0].Text != "MX is gone" {
		t.Errorf("%+v", got)
	}

	c.Happened(watch.Event{Site: "branch", Kind: watch.Left})
	if got := pages.Sites(); len(got) != 1 {
		t.Errorf("a site that left is shown still: %+v", got)
	}

	end()

	c, pages, end = begin()
	c.Seen(officeAt(start.Add(40*time.Minute), plan.Pass))
	end() // writes what is left
	got := pages.Sites()[1]

	if len(got.Events) != 1 || got.Events[0].Kind != watch.Broke {
		t.Errorf("events from before: %+v", got.Events)
	}

	if len(got.Days) != daysShown {
		t.Fatalf("%d days", len(got.Days))
	}

	var bad time.Duration
	for _, d := range got.Days {
		bad += d.In[history.Bad]
	}

	if want := 15*time.Minute + time.Second +
		time.Minute; bad.Round(2*time.Second) != want.Round(2*time.Second) {
		t.Errorf("bad for %v, want %v", bad, want) // until it would have been looked at again
	}
}

// Where the history can't be kept, one line says so, and the page goes on.
// A config that is wrong from the start is on the page until it is right or gone, and in no history.
func TestWrongConfigIsShown(t *testing.T) {
	pages := page.NewServer("test")
	c := newHistoryRecorder(slog.New(slog.DiscardHandler), pages)
	office := []watch.Site{{Name: "office", Home: filepath.Join(t.TempDir(), "office")}}
	c.setSites(office)
	c.Seen(watch.Snapshot{
		Site:   "gamma.yaml",
		File:   "gamma.yaml",
		At:     time.Now(),
		Config: errors.New("gamma.yaml:3: no such zone"),
	})

	got := pages.Sites()
	if len(got) != 2 || got[0].Site != "gamma.yaml" || got[0].State() != history.Unknown ||
		!strings.Contains(got[0].Headline(), "no such zone") {
		t.Errorf("%+v", got)
	}

	if len(c.work) != 0 {
		t.Error("the history has a file that is no site")
	}

	c.setSites(office)
	if got := pages.Sites(); len(got) != 1 || got[0].Site != "office" {
		t.Errorf("a file that is wrong no more is shown still: %+v", got)
	}
}

func TestHistoryWithoutDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "history")
	if err := os.WriteFile(path, nil, 0o600); err != nil { // where the directory should be
		t.Fatal(err)
	}

	var said bytes.Buffer
	pages := page.NewServer("test")
	c := newHistoryRecorder(slog.New(slog.NewTextHandler(&said, nil)), pages)
	c.setSites([]watch.Site{{Name: "office", Home: filepath.Join(dir, "office")}})
	now := time.Now()
	ctx, stop := context.WithCancel(t.Context())

	for i := range 3 {
		c.Seen(officeAt(now.Add(time.Duration(i)*time.Minute), plan.Pass))
	}

	stop()
	c.run(ctx)
	if got := pages.Sites()[0].State(); got != history.Good {
		t.Errorf("state %d", got)
	}

	if n := strings.Count(said.String(), "cannot write the history"); n != 1 {
		t.Errorf("said %d times:\n%s", n, said.String())
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}

	c.Seen(officeAt(now.Add(time.Hour), plan.Pass))
	c.run(ctx)
	if !strings.Contains(said.String(), "is written again") {
		t.Errorf("%s", said.String())
	}
}

// Who looks at sites never waits for the disk.
func TestHistoryDoesNotWait(t *testing.T) {
	c := newHistoryRecorder(slog.New(slog.DiscardHandler), nil)
	for i := range 5000 { // nobody writes
		c.Seen(officeAt(time.Unix(int64(i), 0), plan.Pass))
		c.Happened(watch.Event{Site: "office"})
	}
}

// The page's health goes with the daemon's sign of life.
func TestLiveness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passed := ""
		d := &watch.Daemon{Heartbeat: 10 * time.Second, Beat: func(s string) {
			passed = s
		}}

		alive := liveness(d)
		time.Sleep(25 * time.Second)
		if err := alive(); err != nil {
			t.Error(err)
		}

		time.Sleep(10 * time.Second)
		if err := alive(); err == nil || !strings.Contains(err.Error(), "35s") {
			t.Errorf("%v", err)
		}

		d.Beat("1 site is well")
		if err := alive(); err != nil || passed != "1 site is well" {
			t.Errorf("%v, %q", err, passed)
		}
	})
}

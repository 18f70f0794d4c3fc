package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

func open(t *testing.T) *Store {
	t.Helper()
	odd := "the state? 100% #1"
	if runtime.GOOS == "windows" { // where no name has a question mark
		odd = "the state 100% #1"
	}

	s, err := Open(t.Context(), filepath.Join(t.TempDir(), odd, "history"))
	if err != nil {
		t.Fatal(err)
	}

	return s
}

func (s *Store) must(t *testing.T, at time.Time, state State, valid time.Duration) {
	t.Helper()
	if err := s.AddState(t.Context(), "office", at, state, valid); err != nil {
		t.Fatal(err)
	}
}

func TestDays(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}

	s := open(t)
	day := time.Date(2026, 10, 24, 0, 0, 0, 0, rome)
	s.must(t, day.Add(6*time.Hour), Good, time.Hour)    // nobody looked before six
	s.must(t, day.Add(7*time.Hour), Good, 17*time.Hour) // the same state goes on
	s.must(t, day.Add(12*time.Hour), Bad, time.Hour)    // and ends what was said to hold longer
	s.must(t, day.Add(12*time.Hour+30*time.Minute), Uneasy, 11*time.Hour+30*time.Minute)
	s.must(t, day.Add(24*time.Hour), Good, 48*time.Hour) // over the longest day of the year
	if err := s.AddState(t.Context(), "other", day, Bad, 72*time.Hour); err != nil {
		t.Fatal(err)
	}

	now := day.AddDate(0, 0, 2).Add(3 * time.Hour)
	days, err := s.Days(t.Context(), "office", now, 4)
	if err != nil {
		t.Fatal(err)
	}

	want := []map[State]time.Duration{
		{Unknown: 24 * time.Hour},
		{Unknown: 6 * time.Hour, Good: 6 * time.Hour, Bad: 30 * time.Minute, Uneasy: 11*time.Hour + 30*time.Minute},
		{Good: 25 * time.Hour}, // clocks go back
		{Good: 3 * time.Hour},
	}

	for i, d := range days {
		for _, state := range []State{Unknown, Good, Uneasy, Bad} {
			if d.In[state] != want[i][state] {
				t.Errorf("%s: state %d for %v, want %v", d.Start.Format(time.DateOnly), state,
					d.In[state], want[i][state])
			}
		}
	}

	if got := days[1].Worst(); got != Bad {
		t.Errorf("worst is %d", got)
	}

	if share, known := days[1].Uptime(); !known || share < 0.97 || share > 0.98 {
		t.Errorf("well for %v, %t", share, known)
	}

	if _, known := days[0].Uptime(); known {
		t.Error("a day on which nobody looked is known")
	}
}

// A daemon that does not run knows nothing, and a clock that is set back takes nothing away.
func TestGapAndClock(t *testing.T) {
	s := open(t)
	start := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	s.must(t, start, Good, 20*time.Minute)
	s.must(t, start.Add(2*time.Hour), Good, 20*time.Minute)
	s.must(t, start.Add(time.Hour), Bad, 20*time.Minute) // the clock was set back
	days, err := s.Days(t.Context(), "office", start.Add(3*time.Hour), 1)
	if err != nil {
		t.Fatal(err)
	}

	if in := days[0].In; in[Good] != 40*time.Minute || in[Bad] != 0 {
		t.Errorf("%v", in)
	}
}

func TestEventsAndPrune(t *testing.T) {
	s := open(t)
	start := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	for i := range 5 {
		e := watch.Event{
			Site:    "office",
			At:      start.Add(time.Duration(i) * time.Hour),
			Kind:    watch.Healed,
			Subject: "router.forward tcp/25",
			Text:    fmt.Sprint("event ", i),
			Took:    1500 * time.Millisecond,
		}

		if err := s.AddEvent(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}

	s.must(t, start, Bad, time.Hour)
	s.must(t, start.Add(4*time.Hour), Good, time.Hour)
	list, err := s.Events(t.Context(), "office", 3)
	if err != nil {
		t.Fatal(err)
	}

	if len(list) != 3 || list[0].Text != "event 4" || list[0].Took != 1500*time.Millisecond ||
		!list[0].At.Equal(start.Add(4*time.Hour)) {
		t.Errorf("%+v", list)
	}

	if err := s.Prune(t.Context(), start.Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}

	if list, err = s.Events(t.Context(), "office", 9); err != nil || len(list) != 2 {
		t.Errorf("after pruning: %v, %+v", err, list)
	}

	days, err := s.Days(t.Context(), "office", start.Add(5*time.Hour), 1)
	if err != nil || days[0].In[Bad] != 0 || days[0].In[Good] != time.Hour {
		t.Errorf("after pruning: %v, %+v", err, days)
	}
}

// Lines of the same state become one when the past is pruned, and a site of which nothing is left has no file.
func TestPruneFolds(t *testing.T) {
	s := open(t)
	start := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	for i := range 96 {
		s.must(t, start.Add(time.Duration(i)*15*time.Minute), Good, 20*time.Minute)
	}

	if err := s.Prune(t.Context(), start); err != nil {
		t.Fatal(err)
	}

	data, err := os.ReadFile(s.path("office"))
	if err != nil || strings.Count(string(data), "\n") != 1 {
		t.Errorf("%v: %s", err, data)
	}

	s.must(t, start.Add(24*time.Hour), Good, 20*time.Minute)
	days, err := s.Days(t.Context(), "office", start.Add(13*time.Hour), 1)
	if err != nil || days[0].In[Good] != 13*time.Hour {
		t.Errorf("%v: %v", err, days)
	}

	if err := s.Prune(t.Context(), start.AddDate(0, 0, 2)); err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(s.path("office")); err == nil {
		t.Error("an empty history has a file")
	}
}

// A file that is something else stays as it is.
func TestNoHistory(t *testing.T) {
	s := open(t)
	path := s.path("office")
	const text = "a letter that is kept here\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	if err := s.AddState(t.Context(), "office", time.Now(), Good, time.Minute); err == nil ||
		!strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}

	if err := s.Prune(t.Context(), time.Now()); err == nil {
		t.Error("it is pruned")
	}

	if left, err := os.ReadFile(path); err != nil || string(left) != text {
		t.Errorf("%v, %q", err, left)
	}

	file := filepath.Join(t.TempDir(), "history")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := Open(t.Context(), file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
}

// A line that was cut off costs that line alone.
func TestTornLine(t *testing.T) {
	s := open(t)
	start := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	for _, torn := range []string{"", "{", `{"at":1764`,
		`{"at":1764000000,"kind":"broke","text":"half of`} {
		if err := os.WriteFile(s.path("office"), []byte(torn), 0o600); err != nil {
			t.Fatal(err)
		}

		s.must(t, start, Good, time.Hour)
		s.must(t, start.Add(time.Hour), Bad, time.Hour)
		days, err := s.Days(t.Context(), "office", start.Add(2*time.Hour), 1)
		if err != nil || days[0].In[Good] != time.Hour || days[0].In[Bad] != time.Hour {
			t.Errorf("%q: %v, %v", torn, err, days)
		}
	}
}

// A second process may look while the first one writes and prunes.
func TestTwoReadAndWrite(t *testing.T) {
	s := open(t)
	other, err := Open(t.Context(), s.dir)
	if err != nil {
		t.Fatal(err)
	}

	start := time.Now()
	failed := make(chan error, 1)
	go func() {
		var err error
		for i := range 50 {
			err = errors.Join(err, s.AddState(t.Context(), "office",
				start.Add(time.Duration(i)*time.Second), State(1+i%3), time.Minute))
			if i%10 == 0 {
				err = errors.Join(err, s.Prune(t.Context(), start))
			}
		}

		failed <- err
	}()

	for range 50 {
		if _, err := other.Days(t.Context(), "office", time.Now(), 30); err != nil {
			t.Error(err)
		}
	}

	if err := <-failed; err != nil {
		t.Error(err)
	}

	if records, _, err := readFile(other.path("office")); err != nil || len(foldStates(records)) != 50 {
		t.Errorf("%v: %d states", err, len(foldStates(records)))
	}

	for _, path := range []string{s.dir, s.path("office")} {
		if info, err := os.Stat(path); err != nil ||
			info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
			t.Errorf("%v, %v: others can read %s", err, info.Mode(), path)
		}
	}
}

package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// writerEnv is the file that the test binary writes a history into, when it is started again.
const writerEnv = "MAILPUB_HISTORY_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		os.Exit(writeHistory(path))
	}
	os.Exit(m.Run())
}

const (
	rounds  = 8
	minutes = time.Minute
)

// writeHistory keeps states and events, and prints the number of each event that was kept.
func writeHistory(path string) int {
	signal.Ignore(syscall.SIGXFSZ) // the error of the write says it
	ctx := context.Background()
	s, err := Open(ctx, path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	begin := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	code := 0
	for i := range rounds {
		at := begin.Add(time.Duration(i) * minutes)
		if err := s.AddState(ctx, "office", at, State(1+i%3), minutes); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}

		event := watch.Event{
			Site:    "office",
			At:      at,
			Kind:    "broke",
			Subject: strconv.Itoa(i),
			Text:    strings.Repeat("x", 3000),
		}

		if err := s.AddEvent(ctx, event); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
			continue
		}

		fmt.Println(i)
	}

	if err := s.Prune(ctx, begin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}

	return code
}

// traced runs the writer under strace, which lets a system call fail or kills the writer there.
func traced(t *testing.T, path string, rules ...string) (kept []string, trace string, code int) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "trace")
	args := []string{"-f", "--seccomp-bpf", "-o", log, "-e", "trace=" + calls}

	for _, r := range rules {
		args = append(args, "-e", "inject="+r)
	}

	cmd := exec.CommandContext(t.Context(), "strace", append(args, os.Args[0])...)
	cmd.Env = append(os.Environ(), writerEnv+"="+path)
	out, err := cmd.Output()
	data, unread := os.ReadFile(log)

	if unread != nil {
		t.Fatalf("strace: %v, %v", err, unread)
	}

	return strings.Fields(string(out)), string(data), cmd.ProcessState.ExitCode()
}

// calls are those that change what is on disk.
const calls = "write,fsync,renameat,unlinkat"

// A disk that ends in the middle of a write, which is then a short one: the file is whole, and holds what was
// acknowledged.
func TestShortWrites(t *testing.T) {
	for range 5 {
		limit := rand.IntN(20 << 10)
		path := filepath.Join(t.TempDir(), "history")
		cmd := exec.CommandContext(t.Context(), "prlimit", "--fsize="+strconv.Itoa(limit),
			os.Args[0])

		cmd.Env = append(os.Environ(), writerEnv+"="+path)
		out, _ := cmd.Output()
		if cmd.ProcessState.ExitCode() != 1 {
			t.Fatalf("with files of %d octets at most it ends with %d", limit,
				cmd.ProcessState.ExitCode())
		}

		s, err := Open(t.Context(), path)
		if err != nil {
			t.Fatalf("after files of %d octets at most: %v", limit, err)
		}

		s.whole(t, fmt.Sprintf("files of %d octets at most", limit),
			strings.Fields(string(out)))
	}
}

// Whichever write, sync, truncation or removal fails, or is the last before the process is
// killed: the file can be read afterwards, takes new records, and holds every event that was
// acknowledged.
func TestFaults(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("no strace here; apt-get install strace")
		}
		t.Skip("left out: no strace here; apt-get install strace")
	}

	_, trace, code := traced(t, filepath.Join(t.TempDir(), "history"))
	if code != 0 {
		t.Fatalf("without a fault: %d", code)
	}

	type fault struct {
		call, rule string
		n          int
	}

	var all []fault
	for call := range strings.SplitSeq(calls, ",") {
		for n := range strings.Count(trace, " "+call+"(") {
			for _, kind := range []string{":error=EIO", ":signal=KILL"} {
				all = append(all, fault{call, kind, n + 1})
			}
			if call == "write" {
				all = append(all, fault{call, ":error=ENOSPC", n + 1})
			}
		}
	}

	t.Logf("%d faults are possible", len(all))
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	count := 10 // a soak has all
	if n, err := strconv.Atoi(os.Getenv("MAILPUB_KILLS")); err == nil {
		count = n
	}

	for _, f := range all[:min(count, len(all))] {
		path := filepath.Join(t.TempDir(), "history")
		kept, _, _ := traced(t, path, fmt.Sprintf("%s%s:when=%d", f.call, f.rule, f.n))
		s, err := Open(t.Context(), path)
		if err != nil {
			t.Errorf("%s%s, number %d: %v", f.call, f.rule, f.n, err)
			continue
		}

		s.whole(t, fmt.Sprintf("%s%s, number %d", f.call, f.rule, f.n), kept)
	}
}

// whole sees that a history holds events, and takes another one.
func (s *Store) whole(t *testing.T, what string, kept []string) {
	t.Helper()
	events, err := s.Events(t.Context(), "office", 100)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}

	there := map[string]bool{}
	for _, e := range events {
		there[e.Subject] = len(e.Text) == 3000
	}

	for _, subject := range kept {
		if !there[subject] {
			t.Errorf("%s: event %s was acknowledged and is not there", what, subject)
		}
	}

	if err := s.AddEvent(t.Context(), watch.Event{
		Site:    "office",
		At:      time.Unix(1, 0),
		Kind:    watch.Broke,
		Subject: "more",
	}); err != nil {
		t.Errorf("%s: no more is taken: %v", what, err)
	}
}

// A file that another account made a link to elsewhere is not followed.
func TestLinkInPlaceOfTheFile(t *testing.T) {
	const nobody = 65534
	if os.Geteuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("only root can make a link of another account")
		}
		t.Skip("left out: only root can make a link of another account")
	}

	dir := t.TempDir()
	s, err := Open(t.Context(), filepath.Join(dir, "history"))
	if err != nil {
		t.Fatal(err)
	}

	elsewhere := filepath.Join(dir, "elsewhere")
	if err := errors.Join(os.Symlink(elsewhere, s.path("office")),
		os.Lchown(s.path("office"), nobody, nobody),
		os.Chown(s.dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}

	if err := s.AddEvent(t.Context(), watch.Event{
		Site: "office",
		At:   time.Unix(1, 0),
		Kind: watch.Broke,
	}); err == nil {
		t.Error("it is written")
	}

	if _, err := os.Lstat(elsewhere); err == nil {
		t.Error("the link is followed")
	}
}

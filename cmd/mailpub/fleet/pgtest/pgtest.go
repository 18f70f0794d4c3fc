//go:build linux

// Package pgtest gives tests a PostgreSQL of their own: Debian's programs, a cluster in a temporary directory,
// a Unix socket in it and nothing on the network.
//
// It is for tests alone. Without PostgreSQL a test is skipped; with MAILPUB_LAB=require it fails.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// shared is the server of a test process's databases.
var shared struct {
	sync.Mutex
	server *Server
	err    error
}

var databases atomic.Int64

// Main runs the tests of a package, and ends the server that Database began.
func Main(m *testing.M) {
	code := m.Run()
	if s := shared.server; s != nil {
		s.Stop("fast")
		os.RemoveAll(s.dir)
	}
	os.Exit(code)
}

// Database returns the URL of an empty database, which is gone when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	s := sharedServer(t)
	name := fmt.Sprintf("t%d_%d", os.Getpid(), databases.Add(1))
	s.Exec(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.Exec(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return s.URL(name)
}

func sharedServer(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()

	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = start("fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}

	if shared.err != nil {
		missing(t, shared.err)
	}

	return shared.server
}

// New starts a server for one test, which may stop it and start it again. What is committed outlasts that.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := start()
	if err != nil {
		missing(t, err)
	}

	t.Cleanup(func() {
		s.Stop("immediate")
		os.RemoveAll(s.dir)
	})

	return s
}

func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("MAILPUB_LAB") == "require" || !errors.Is(err, errNotInstalled) {
		t.Fatal(err)
	}
	t.Skip(err)
}

var errNotInstalled = errors.New("PostgreSQL is not installed (on Debian: apt-get install postgresql-15)")

// Server is a cluster with its process.
type Server struct {
	dir      string // the cluster is in data, the socket beside it
	programs string
	settings []string
	owner    *syscall.Credential // nil: who runs the tests

	cmd *exec.Cmd
}

// URL is that of a database, for its superuser.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database}
	u.RawQuery = url.Values{"host": {s.dir}}.Encode()
	return u.String()
}

// Exec runs a statement in the database postgres.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	c, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}

	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// programs is the directory of the newest PostgreSQL of Debian's that is installed.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errNotInstalled
	}

	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}

// start makes a cluster and starts it. PostgreSQL does not run as root, so the user postgres has it then.
func start(settings ...string) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}

	dir, err := os.MkdirTemp("", "pg") // short: a socket's path has little room
	if err != nil {
		return nil, err
	}

	s := &Server{dir: dir, programs: bin, settings: settings}
	if err := s.make(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}

	return s, nil
}

func (s *Server) make() error {
	if os.Getuid() == 0 {
		if err := s.giveAway(); err != nil {
			return err
		}
	}

	out, err := s.command("initdb", "-D", s.data(), "-A", "trust", "-U", "postgres", "--no-sync",
		"-E", "UTF8", "--locale=C").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}

	return s.Start()
}

// giveAway gives the directory to the user postgres.
func (s *Server) giveAway() error {
	u, err := user.Lookup("postgres")
	if err != nil {
		return err
	}

	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	s.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return errors.Join(errUID, errGID, os.Chown(s.dir, uid, gid))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// command is one of PostgreSQL's programs, which ends with the tests.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.programs, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Setpgid: true}
	return cmd
}

// Start starts the server, and returns when it answers.
func (s *Server) Start() error {
	args := []string{"-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c",
		"max_connections=200", "-c", "logging_collector=off"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}

	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()

	s.cmd = s.command("postgres", args...)
	s.cmd.Stdout = log
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		return err
	}

	return s.wait()
}

// wait waits until the server answers.
func (s *Server) wait() (err error) {
	for range 600 {
		var c *pgx.Conn
		if c, err = pgx.Connect(context.Background(), s.URL("postgres")); err == nil {
			return c.Close(context.Background())
		}
		time.Sleep(50 * time.Millisecond)
	}

	said, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return fmt.Errorf("PostgreSQL does not answer: %w: %s", err, said)
}

// Stop stops the server: "fast" ends its sessions, "immediate" is as if the machine died.
func (s *Server) Stop(mode string) {
	if s.cmd == nil {
		return
	}

	signal := syscall.SIGINT
	if mode == "immediate" {
		signal = syscall.SIGQUIT
	}

	s.cmd.Process.Signal(signal)
	s.cmd.Wait()
	s.cmd = nil
}

// Backup keeps the cluster as it is now aside, and Restore puts it back, as a backup of another hour. The server has to
// be stopped for both.
func (s *Server) Backup(t testing.TB) { s.copy(t, s.data(), s.data()+".backup") }

// Restore puts back what Backup kept.
func (s *Server) Restore(t testing.TB) { s.copy(t, s.data()+".backup", s.data()) }

func (s *Server) copy(t testing.TB, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// CPU is what the server and its sessions have used of the processor so far, those of sessions that ended included.
func (s *Server) CPU(t testing.TB) (used time.Duration) {
	t.Helper()
	pids := []int{s.cmd.Process.Pid}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}

	for _, field := range strings.Fields(string(children)) {
		pid, _ := strconv.Atoi(field)
		pids = append(pids, pid)
	}

	for i, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it ended meanwhile
		}

		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		last := 13 // user and system, of itself
		if i == 0 {
			last = 15 // and of its children that ended
		}

		for _, field := range fields[11:last] {
			ticks, _ := strconv.Atoi(field)
			used += time.Duration(ticks) * 10 * time.Millisecond
		}
	}

	return used
}

// Package servertest runs real name servers on loopback for tests and benchmarks. What it
// starts ends with the test.
package servertest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Program returns where a server is. Without it the test fails in the lab, and is skipped
// elsewhere.
func Program(t testing.TB, name string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/bin/" + name, "/usr/sbin/" + name,
		"/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}

	if os.Getenv("MAILPUB_LAB") == "require" {
		t.Fatalf("%s is not installed", name)
	}

	t.Skipf("%s is not installed: nothing is tried on it", name)
	return ""
}

// FreePort returns a TCP port of loopback that nobody listens on.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Write writes a file of a server's.
func Write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Run reports whether the server came up with the zone; it ends with the test. An empty zone
// stands for any answer. What it said is logged when the test fails.
func Run(t testing.TB, addr, zone, path string, args ...string) bool {
	t.Helper()
	var log output
	cmd := exec.Command(path, args...)
	cmd.Stdout = &log
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()

	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-gone
		}

		if t.Failed() {
			t.Logf("%s:\n%s", path, log.String())
		}
	})

	client := &dns.Client{Timeout: 200 * time.Millisecond}
	deadline := time.After(30 * time.Second)
	for {
		m := new(dns.Msg).SetQuestion(dns.Fqdn(zone), dns.TypeSOA)
		if reply, _, err := client.Exchange(m, addr); err == nil &&
			(zone == "" || reply.Authoritative && len(reply.Answer) > 0) {
			return true
		}

		select {
		case <-gone:
			t.Logf("%s ended:\n%s", path, log.String())
			return false
		case <-deadline:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

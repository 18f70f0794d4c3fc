package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/demo"
)

// systemd stands in for the service manager: it hears what it is told.
type systemd struct {
	t    *testing.T
	path string
	mu   sync.Mutex
	said []string
}

func newSystemd(t *testing.T) *systemd {
	s := &systemd{t: t, path: filepath.Join(t.TempDir(), "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.said = append(s.said, string(buf[:n]))
			s.mu.Unlock()
		}
	}()

	return s
}

// hears waits until it was told something so many times.
func (s *systemd) hears(text string, times int) {
	s.t.Helper()
	var all string
	for range 400 {
		s.mu.Lock()
		all = strings.Join(s.said, "\n")
		s.mu.Unlock()
		if strings.Count(all, text) >= times {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}

	s.t.Fatalf("cannot notify systemd %q %d times, but:\n%s", text, times, all)
}

// What systemd is told, and what a config that changes does: the daemon as a process, with the
// demo's router and name server.
func TestWatchUnderSystemd(t *testing.T) {
	world, err := demo.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	defer world.Close()

	dir := t.TempDir()
	manager := newSystemd(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	bin := filepath.Join(dir, "mailpub")
	sites := filepath.Join(dir, "sites")
	config := filepath.Join(sites, "nomeazienda.yaml")
	notices := filepath.Join(dir, "notices")
	text := strings.Replace(world.Config(), "site: nomeazienda\n",
		"site: nomeazienda\nwatch:\n  notify: [{exec: [sh, -c, \"cat >>"+notices+"\"]}]\n", 1)

	if err := errors.Join(os.Symlink(self, bin), os.Mkdir(sites, 0o700),
		os.WriteFile(config, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(bin, "watch", "--log", "json", "-v", sites)
	cmd.Env = append(os.Environ(), demo.KeyVariable+"="+world.Key, "GORACE="+quickExit,
		"NOTIFY_SOCKET="+manager.path, "WATCHDOG_USEC=600000")

	said := &logged{}
	cmd.Stdout = said
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	defer func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if t.Failed() {
			t.Logf("it said:\n%s", said)
		}
	}()

	eventually := func(what, text string, in func() string) {
		t.Helper()
		for range 400 {
			if strings.Contains(in(), text) {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}

		t.Fatalf("%s: no %q in:\n%s", what, text, in())
	}

	told := func() string { data, _ := os.ReadFile(notices); return string(data) }

	manager.hears("READY=1", 1)
	manager.hears("WATCHDOG=1", 3)
	manager.hears("STATUS=1 site: 1 broken", 1) // nothing was applied
	eventually("the log is JSON", `"site":"nomeazienda"`, said.String)

	// An editor puts a wrong file in the place of the right one: the former holds.
	replace := func(name, text string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(name+"~", []byte(text), 0o600),
			os.Rename(name+"~", name)); err != nil {
			t.Fatal(err)
		}
	}

	replace(config, strings.Replace(text, "server:", "sever:", 1))
	eventually("the wrong config is told", `"kind":"config-wrong"`, told)
	eventually("with the place", "did you mean", told)
	manager.hears("RELOADING=1\nMONOTONIC_USEC=", 1)
	manager.hears("READY=1", 2)
	replace(config, text+"# right again\n")
	eventually("and that it is right again", `"kind":"reloaded"`, told)

	// Another site joins, and goes again.
	second := strings.Replace(world.Config(), "site: nomeazienda\n", "site: second\n", 1)
	replace(filepath.Join(sites, "second.yaml"), second)
	eventually("the second joins", `"site":"second","event":"joined"`, said.String)
	if err := os.Remove(filepath.Join(sites, "second.yaml")); err != nil {
		t.Fatal(err)
	}

	eventually("the second leaves", `"site":"second","event":"left"`, said.String)

	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}

	manager.hears("RELOADING=1", 5)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}

	manager.hears("STOPPING=1", 1)
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped by a signal: %v", err)
	}

	if strings.Contains(said.String()+told(), world.Key) {
		t.Error("the log or a notice holds the secret")
	}
}

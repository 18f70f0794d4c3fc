package lab

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

//go:embed machine.sh
var machineScript []byte

// Machine is a system with a systemd of its own, on a host of a lab. It has the files of this
// machine, and what it writes is gone with it.
type Machine struct {
	Root string // its files, as seen from here
	pid  string // of its systemd
}

// MissingMachine says what keeps one from being booted here, or "".
func MissingMachine() string {
	if missing := Missing(); missing != "" {
		return missing
	}

	for command, pkg := range map[string]string{"systemd-nspawn": "systemd-container",
		"/lib/systemd/systemd": "systemd", "nsenter": "util-linux"} {
		if _, err := exec.LookPath(command); err != nil {
			return fmt.Sprintf("no %s here; apt-get install --no-install-recommends %s",
				command, pkg)
		}
	}

	return ""
}

// Boot boots a machine on a host of a lab, and switches it off when the test ends. Where that
// can't be, the test is skipped with what is missing, or fails if the environment has
// MAILPUB_LAB=require.
func Boot(t testing.TB, l *Lab, host string) *Machine {
	t.Helper()
	if missing := MissingMachine(); missing != "" {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("no machine can be booted: %s", missing)
		}
		t.Skipf("left out, as no machine can be booted: %s", missing)
	}

	dir := t.TempDir()
	script := filepath.Join(dir, "machine.sh")
	socket := filepath.Join(dir, "notify")
	if err := os.WriteFile(script, machineScript, 0o755); err != nil {
		t.Fatal(err)
	}

	hears, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}

	defer hears.Close()

	cmd := exec.Command(script, l.Name+"-"+host, l.Name+"-"+host)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	said := &words{}
	cmd.Stdout = said
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	m := &Machine{}
	t.Cleanup(func() {
		if m.pid != "" { // its systemd: with that all of it ends, and the script clears up
			_ = exec.Command("kill", "-KILL", m.pid).Run()
		} else {
			_ = exec.Command("pkill", "-KILL", "-P", strconv.Itoa(cmd.Process.Pid)).Run()
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait() // it was killed
	})

	if err := m.started(hears); err != nil {
		t.Fatalf("%s does not boot: %v\n%s", host, err, said)
	}

	m.Root = "/proc/" + m.pid + "/root"
	return m
}

// leader is how systemd-nspawn tells which process is the machine's systemd.
var leader = regexp.MustCompile(`(?m)^X_NSPAWN_LEADER_PID=([0-9]+)$`)

// started waits until all of the machine has started (sd_notify(3)).
func (m *Machine) started(hears *net.UnixConn) error {
	if err := hears.SetReadDeadline(time.Now().Add(90 * time.Second)); err != nil {
		return err
	}

	buf := make([]byte, 4096)
	for {
		n, err := hears.Read(buf)
		if err != nil {
			return err
		}

		if found := leader.FindSubmatch(buf[:n]); found != nil {
			m.pid = string(found[1])
		}

		if m.pid != "" && bytes.Contains(buf[:n], []byte("READY=1")) {
			return nil
		}
	}
}

// Command is a command of root's on the machine.
func (m *Machine) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter",
		append([]string{"--target", m.pid, "--all", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	cmd.WaitDelay = time.Second
	return cmd
}

// Run runs a command, expects it to succeed, and returns what it printed.
func (m *Machine) Run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := m.Command(t.Context(), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Put puts a file onto the machine.
func (m *Machine) Put(t testing.TB, path string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(m.Root+path, data, mode); err != nil {
		t.Fatal(err)
	}
}

// words is what a command says, for who may ask meanwhile.
type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

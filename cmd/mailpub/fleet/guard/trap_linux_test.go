package guard

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
)

// trap is a machine with everything that a hostile config would like to reach: a file, an environment
// variable, a program and a listener. It notices when one of them is used.
type trap struct {
	file, program, ran, addr string

	notify    int
	connected atomic.Int32
}

const canary = "canary-7d1f0b"

func newTrap(t *testing.T) *trap {
	dir := t.TempDir()
	tr := &trap{
		file:    filepath.Join(dir, "canary.pem"),
		program: filepath.Join(dir, "run"),
		ran:     filepath.Join(dir, "ran"),
	}

	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}

	write(tr.file, canary, 0o600)
	write(tr.program, "#!/bin/sh\necho "+canary+" | tee "+tr.ran+"\n", 0o700)
	t.Setenv("MAILPUB_CANARY", canary)

	var err error
	if tr.notify, err = syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { syscall.Close(tr.notify) })
	for _, name := range []string{tr.file, tr.program} {
		if _, err := syscall.InotifyAddWatch(tr.notify, name,
			syscall.IN_OPEN|syscall.IN_ACCESS); err != nil {
			t.Fatal(err)
		}
	}

	tr.listen(t)
	return tr
}

func (tr *trap) listen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	tr.addr = l.Addr().String()
	udp, err := net.ListenPacket("udp", tr.addr)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		l.Close()
		udp.Close()
	})

	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tr.connected.Add(1)
			c.Close()
		}
	}()

	go func() {
		for buf := make([]byte, 512); ; {
			if _, _, err := udp.ReadFrom(buf); err != nil {
				return
			}
			tr.connected.Add(1)
		}
	}()
}

// sprung says what was used; "" for nothing.
func (tr *trap) sprung() string {
	buf := make([]byte, 4096)
	if n, _ := syscall.Read(tr.notify, buf); n > 0 {
		return "a file was opened"
	}
	if _, err := os.Stat(tr.ran); err == nil {
		return "a program was run"
	}
	if n := tr.connected.Load(); n > 0 {
		return fmt.Sprintf("there were %d connections", n)
	}

	return ""
}

// The trap notices each kind of use, or it would prove nothing.
func TestTrap(t *testing.T) {
	tr := newTrap(t)
	if s := tr.sprung(); s != "" {
		t.Fatal(s)
	}

	if _, err := os.ReadFile(tr.file); err != nil {
		t.Fatal(err)
	}

	if tr.sprung() == "" {
		t.Error("reading the file was not noticed")
	}

	c, err := net.Dial("tcp", tr.addr)
	if err != nil {
		t.Fatal(err)
	}

	buf := make([]byte, 1)
	c.Read(buf) // until the other side has closed
	c.Close()

	if tr.sprung() == "" {
		t.Error("the connection was not noticed")
	}
}

package main

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
)

// Where the demo's world can't be made, that is an error and nothing is left of it.
func TestOutsideThatFails(t *testing.T) {
	world, err := startOutsideWith(t.Context(), map[string]string{"nomeazienda.it.": "@ A no address\n"})
	if err == nil || world != nil {
		t.Errorf("%v, %v", world, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if world, err := startOutside(ctx); err == nil {
		world.close()
	}
}

// What keeps a port shut is known by the numbers of Unix and by those of Windows.
func TestListenHint(t *testing.T) {
	for err, want := range map[syscall.Errno]string{
		syscall.EACCES: "setcap", syscall.EADDRINUSE: "another mail server", syscall.EADDRNOTAVAIL: "no network card",
		10048: "another mail server", 10049: "no network card", 10013: "excludedportrange",
	} {
		has(t, listenHint(&net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", err)}), want)
	}
	if hint := listenHint(errors.New("something else")); hint != "" {
		t.Error(hint)
	}
	if hint := listenHint(nil); hint != "" {
		t.Error(hint)
	}
}

// A file name with spaces in it can be copied from what mailpub says into the shell.
func TestShellWord(t *testing.T) {
	for _, c := range []struct{ word, unix, windows string }{
		{"sites/office.yaml", "sites/office.yaml", "sites/office.yaml"},
		{`C:\Mail\office.yaml`, `'C:\Mail\office.yaml'`, `C:\Mail\office.yaml`},
		{"C:/Program Files/mail pub.yaml", "'C:/Program Files/mail pub.yaml'", `"C:/Program Files/mail pub.yaml"`},
		{"città.yaml", "città.yaml", "città.yaml"},
		{"it's $HOME.yaml", `'it'\''s $HOME.yaml'`, `"it's $HOME.yaml"`},
		{"", "''", `""`},
	} {
		if unix, windows := shellWord(c.word, "linux"), shellWord(c.word, "windows"); unix != c.unix || windows != c.windows {
			t.Errorf("%s is %s and %s, want %s and %s", c.word, unix, windows, c.unix, c.windows)
		}
	}
}

// A port where something listens already is told from a free one.
func TestAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if !answers(t.Context(), l.Addr().String()) {
		t.Error("nothing answers where something listens")
	}
	l.Close()
	if answers(t.Context(), l.Addr().String()) {
		t.Error("something answers where nothing listens")
	}
}

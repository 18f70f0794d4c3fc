package receive

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// What keeps a port shut is known by the numbers of Unix and by those of Windows.
func TestListenHint(t *testing.T) {
	for err, want := range map[syscall.Errno]string{
		syscall.EACCES: "setcap", syscall.EADDRINUSE: "another mail server",
		syscall.EADDRNOTAVAIL: "no network card",
		10048:                 "another mail server", 10049: "no network card",
		10013: "excludedportrange",
	} {
		hint := listenHint(&net.OpError{
			Op:  "listen",
			Net: "tcp",
			Err: os.NewSyscallError("bind", err),
		})

		if !strings.Contains(hint, want) {
			t.Errorf("%v: %q, want %q", err, hint, want)
		}
	}

	if hint := listenHint(errors.New("something else")); hint != "" {
		t.Error(hint)
	}

	if hint := listenHint(nil); hint != "" {
		t.Error(hint)
	}
}

// A port where something listens already is told from a free one.
func TestAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	if !isListening(t.Context(), l.Addr().String()) {
		t.Error("nothing answers where something listens")
	}

	l.Close()
	if isListening(t.Context(), l.Addr().String()) {
		t.Error("something answers where nothing listens")
	}
}

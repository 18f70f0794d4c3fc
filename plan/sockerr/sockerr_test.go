package sockerr

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

// Each function is true for the numbers of its kind alone, wrapped as package net does.
func TestKinds(t *testing.T) {
	functions := map[string]func(error) bool{
		"refused": Refused, "unreachable": Unreachable, "broken": Broken, "in use": InUse,
		"not local": NotLocal, "excluded": Excluded,
	}

	for number, want := range map[syscall.Errno]string{
		syscall.ECONNREFUSED: "refused", 10061: "refused",
		syscall.EHOSTUNREACH: "unreachable", syscall.ENETUNREACH: "unreachable",
		10065: "unreachable", 10051: "unreachable",
		syscall.ECONNRESET: "broken", syscall.EPIPE: "broken", 10054: "broken", 10053: "broken",
		syscall.EADDRINUSE: "in use", 10048: "in use",
		syscall.EADDRNOTAVAIL: "not local", 10049: "not local",
		10013: "excluded", syscall.ENOENT: "",
	} {
		err := fmt.Errorf("dial: %w", &net.OpError{
			Op:  "dial",
			Net: "tcp",
			Err: os.NewSyscallError("connectex", number),
		})

		for name, is := range functions {
			if is(err) != (name == want) {
				t.Errorf("number %d is %q: %v", number, name, is(err))
			}
		}

		if Closed(err) != (want == "broken") {
			t.Errorf("number %d is closed: %v", number, Closed(err))
		}
	}

	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if !Closed(fmt.Errorf("read: %w", err)) || Broken(err) {
			t.Errorf("%v is not closed", err)
		}
	}

	if !Timeout(os.ErrDeadlineExceeded) || !Timeout(context.DeadlineExceeded) ||
		Timeout(io.EOF) || Refused(nil) {
		t.Error("a deadline is not told from others")
	}
}

package smtpclient

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

// Errors of the network are said in the same words on every system: the numbers are those that
// Windows gives.
func TestPlainly(t *testing.T) {
	dialing := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connectex", err)}
	}

	for _, c := range []struct {
		err  error
		want string
	}{
		{dialing(syscall.ECONNREFUSED), "connection refused: nothing listens"},
		{dialing(syscall.Errno(10061)), "connection refused: nothing listens"},
		{dialing(syscall.EHOSTUNREACH), "no route to the host"},
		{dialing(syscall.Errno(10051)), "no route to the host"},
		{dialing(syscall.Errno(10065)), "no route to the host"},
		{fmt.Errorf("read: %w", io.EOF), ConnectionClosed},
		{dialing(syscall.EPIPE), ConnectionClosed},
		{dialing(syscall.Errno(10053)), ConnectionClosed},
		{dialing(syscall.Errno(10054)), ConnectionClosed},
		{dialing(os.ErrDeadlineExceeded), "no answer in time"},
		{context.Canceled, "interrupted"},
		{io.ErrShortWrite, "short write"},
	} {
		if got := ErrorText(c.err); got != c.want {
			t.Errorf("%v is %q, want %q", c.err, got, c.want)
		}
	}
}

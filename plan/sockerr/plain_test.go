package sockerr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// closedPort is an address that nothing listens at.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	return l.Addr().String()
}

// Errors of real sockets lose Go's words for system calls and what stands twice; their chain stays.
func TestPlain(t *testing.T) {
	addr := closedPort(t)
	_, dial := net.Dial("tcp", addr)
	_, get := http.Get("http://" + addr + "/description.xml")

	noName := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Name: "mail.example.org", IsNotFound: true, Err: "no such host"}}
	late := &net.OpError{Op: "read", Net: "udp", Err: context.DeadlineExceeded}

	for _, c := range []struct {
		err  error
		want string
	}{
		{dial, "connection refused (" + addr + ")"},
		{get, "connection refused (" + addr + ")"},
		{fmt.Errorf("server %s: %w", addr, dial), "server " + addr + ": connection refused"},
		{fmt.Errorf("description: %w", get), "description: connection refused (" + addr + ")"},
		{noName, "the name mail.example.org does not exist"},
		{fmt.Errorf("probe: %w; next", late), "probe: no answer in time; next"},
		{errors.New("HTTP 500"), "HTTP 500"},
	} {
		got := Plain(c.err)
		if got.Error() != c.want {
			t.Errorf("%q becomes %q, want %q", c.err, got, c.want)
		}
		if !errors.Is(got, c.err) {
			t.Errorf("%q has lost its chain", c.err)
		}
	}

	if !errors.Is(Plain(get), syscall.ECONNREFUSED) {
		t.Error("the number of the system is not in the chain")
	}
	if Plain(nil) != nil {
		t.Error("no error has become one")
	}
}

// A deadline of a request is told as one.
func TestPlainTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}

	_, err = http.DefaultClient.Do(req)
	if got := Plain(err).Error(); strings.Contains(got, "http://") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a request without an answer: %q", got)
	}
}

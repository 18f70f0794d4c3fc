package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Dial returns a function that connects from a host, to addresses, not names. The connection
// belongs to the host, whoever uses it.
func (l *Lab) Dial(host string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		fault := l.inside(host, func() {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		})
		if fault != nil {
			return nil, fault
		}
		return conn, err
	}
}

// Listen listens on a host at address:port, for TCP, until the test ends.
func (l *Lab) Listen(t testing.TB, host, address string) (listener net.Listener) {
	t.Helper()
	var err error
	fault := l.inside(host, func() {
		listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	})

	if err = errors.Join(fault, err); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { listener.Close() })
	return listener
}

// ListenPacket is Listen for UDP.
func (l *Lab) ListenPacket(t testing.TB, host, address string) (conn net.PacketConn) {
	t.Helper()
	var err error
	fault := l.inside(host, func() {
		conn, err = (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", address)
	})

	if err = errors.Join(fault, err); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { conn.Close() })
	return conn
}

// inside runs open on a host. What it opens stays the host's.
func (l *Lab) inside(host string, open func()) error {
	runtime.LockOSThread() // a namespace is a thread's
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(home)
		err = enter(l.Name + "-" + host)
	}

	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("host %s: %w", host, err)
	}

	open()
	if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
		return err // the thread stays locked, so that it ends with the goroutine
	}

	runtime.UnlockOSThread()
	return nil
}

// enter moves the thread into a namespace.
func enter(namespace string) error {
	there, err := unix.Open("/var/run/netns/"+namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(there)
	return unix.Setns(there, unix.CLONE_NEWNET)
}

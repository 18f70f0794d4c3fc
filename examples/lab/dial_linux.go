package lab

import (
	"context"
	"fmt"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// Dial returns a function that connects from a host, to addresses, not names. The connection
// belongs to the host, whoever uses it.
func (l *Lab) Dial(host string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		runtime.LockOSThread() // a namespace is a thread's
		home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(home)
			err = enter(l.Name + "-" + host)
		}
		if err != nil {
			runtime.UnlockOSThread()
			return nil, fmt.Errorf("host %s: %w", host, err)
		}
		conn, dialErr := (&net.Dialer{}).DialContext(ctx, network, address)
		if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
			return nil, err // the thread stays locked, so that it ends with the goroutine
		}
		runtime.UnlockOSThread()
		return conn, dialErr
	}
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

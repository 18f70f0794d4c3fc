// Package sockerr tells the errors of sockets apart by the system's numbers. Windows has
// numbers of its own (winsock2.h), which Go's syscall package gives no names there; no other
// system has numbers like these. Plain says them in words. The package knows no protocol, and imports the
// standard library only.
package sockerr

import (
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
)

// Numbers of winsock2.h.
const (
	wsaAccess       = syscall.Errno(10013)
	wsaInUse        = syscall.Errno(10048)
	wsaNotAvailable = syscall.Errno(10049)
	wsaNetDown      = syscall.Errno(10051)
	wsaAborted      = syscall.Errno(10053)
	wsaReset        = syscall.Errno(10054)
	wsaRefused      = syscall.Errno(10061)
	wsaHostDown     = syscall.Errno(10065)
)

// Refused reports whether the other side has said that nothing listens at the port.
func Refused(err error) bool { return isAny(err, syscall.ECONNREFUSED, wsaRefused) }

// Unreachable reports whether no route leads to the host.
func Unreachable(err error) bool {
	return isAny(err, syscall.EHOSTUNREACH, syscall.ENETUNREACH, wsaHostDown, wsaNetDown)
}

// Broken reports whether the connection was cut.
func Broken(err error) bool {
	return isAny(err, syscall.ECONNRESET, syscall.EPIPE, wsaReset, wsaAborted)
}

// Closed reports whether the connection is at its end, cut or not, by whichever side.
func Closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || Broken(err)
}

// InUse reports whether another socket has the port.
func InUse(err error) bool { return isAny(err, syscall.EADDRINUSE, wsaInUse) }

// NotLocal reports whether this host does not have the address.
func NotLocal(err error) bool { return isAny(err, syscall.EADDRNOTAVAIL, wsaNotAvailable) }

// Excluded reports whether Windows keeps the port for another program or for itself.
func Excluded(err error) bool { return isAny(err, wsaAccess) }

// Timeout reports whether the error is that of a deadline.
func Timeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func isAny(err error, numbers ...syscall.Errno) bool {
	var number syscall.Errno
	return errors.As(err, &number) && slices.Contains(numbers, number)
}

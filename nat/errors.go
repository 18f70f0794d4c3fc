package nat

import (
	"errors"

	"github.com/mailpub/mailpub/nat/forward"
)

// What callers tell apart. The errors that wrap these name the router, the port and
// the reason.
var (
	// ErrNoRouter: nothing answered a protocol that it was asked in.
	ErrNoRouter = errors.New("no router answers")

	// ErrSeveralRouters: more than one router answered, and none of them is the
	// default gateway.
	ErrSeveralRouters = errors.New("several routers answer")

	// ErrRefused: the router does not hand out this port.
	ErrRefused = errors.New("the router refuses this port")

	// ErrConflict: the port is mapped to something else.
	ErrConflict = forward.ErrConflict

	// ErrOtherHost: the router maps ports only to the host that asks for them.
	ErrOtherHost = errors.New("the router maps ports only to the host that asks")

	// ErrDoubleNAT: the router's own WAN address is not a public one, so that what it
	// forwards is not reached from the Internet.
	ErrDoubleNAT = errors.New("the router has no public address")

	// ErrWANDown: the router's connection to the outside is down, so that it has no address now.
	ErrWANDown = errors.New("the router's connection to the Internet is down")

	// errNoAnswer: an answer did not come, or was none. What was asked for may have
	// been done all the same.
	errNoAnswer = errors.New("no usable answer")
)

// withoutErrNoRouter takes ErrNoRouter off an error, so that it is not said twice.
func withoutErrNoRouter(err error) error {
	var n *noRouter
	if errors.As(err, &n) {
		return n.reason
	}
	return err
}

// noRouter is ErrNoRouter with the reason.
type noRouter struct{ reason error }

func (n *noRouter) Error() string   { return ErrNoRouter.Error() + ": " + n.reason.Error() }
func (n *noRouter) Unwrap() []error { return []error{ErrNoRouter, n.reason} }

package receive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/sockerr"
)

// listen opens the receiver's ports: at its address on the LAN and, as nothing is translated
// there, at port 25 of its public IPv6 address.
func listen(ctx context.Context, cfg *config.Config) (net.Listener, error) {
	addrs := []string{cfg.Service.Listen}
	if addrs[0] == "" {
		addrs[0] = net.JoinHostPort(cfg.Server.Address, fmt.Sprint(cfg.SMTPPort()))
		if six := site.PublicIPv6(ctx, cfg); six.IsValid() {
			addrs = append(addrs, netip.AddrPortFrom(six, 25).String())
		}
	}

	var all []net.Listener
	for _, addr := range addrs {
		l, err := Listen(ctx, addr)
		if err != nil {
			for _, open := range all {
				open.Close()
			}
			return nil, err
		}

		all = append(all, l)
	}

	return joinListeners(all), nil
}

// Listen opens a port. The error says what to do about the usual causes.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	if runtime.GOOS == "windows" && isListening(ctx, addr) {
		return nil, fmt.Errorf("listen tcp %s: another server listens there, and Windows would let mailpub take over its connections (set service.type to the server's)", addr)
	}

	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if hint := listenHint(err); hint != "" {
		return nil, fmt.Errorf("%w (%s)", err, hint)
	}

	return l, err
}

// isListening reports whether something accepts connections at an address. On Windows one program can
// listen at an address of a port that another one has at all addresses, without an error for either.
func isListening(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()

	conn, err := egress.Dialer().DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}

	conn.Close()
	return true
}

// listenHint says what to do about a port that can't be opened, "" where nobody knows.
func listenHint(err error) string {
	switch {
	case sockerr.Excluded(err):
		return "another program uses the port exclusively, or Windows reserves it: netstat -abno, and netsh interface ipv4 show excludedportrange tcp"
	case errors.Is(err, os.ErrPermission):
		program, unknown := os.Executable()
		if unknown != nil {
			program = os.Args[0]
		}
		return "a port below 1024: run as root and set service.user; or once: setcap cap_net_bind_service=+ep " +
			program +
			"; or in the systemd unit: AmbientCapabilities=CAP_NET_BIND_SERVICE"
	case sockerr.NotLocal(err):
		return fmt.Sprintf("no network card of %s has this address: run mailpub on the mail server, or set service.listen",
			hostname())
	case sockerr.InUse(err):
		return "another mail server listens there; set service.type to that server's"
	}

	return ""
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "this machine"
	}
	return name
}

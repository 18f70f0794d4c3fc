package nat

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// errConflict: the port is mapped to something else.
var errConflict = errors.New("the port is taken")

// Kind is the kind of the keys of forwards.
const Kind = "forward"

// port is an external port. With "tcp6" and "udp6" it is a pinhole: a port of the server's
// own IPv6 address that the router lets through, which translates nothing. It is a forward
// like any other, and not a kind of its own, since the same router grants it, in the same
// batch and for a lease as well; the words are those of package net.
type port struct {
	proto  string // "tcp", "udp", "tcp6" or "udp6"
	number uint16
}

// six reports whether it is a pinhole.
func (p port) six() bool { return strings.HasSuffix(p.proto, "6") }

// transport is "tcp" or "udp".
func (p port) transport() string { return strings.TrimSuffix(p.proto, "6") }

func (p port) String() string { return p.proto + "/" + strconv.Itoa(int(p.number)) }

func (p port) key() plan.Key { return plan.Key{Kind: Kind, Name: p.String()} }

// parsePort reads the key of a forward: "tcp/25", or "tcp6/25" for a pinhole.
func parsePort(k plan.Key) (port, error) {
	proto, number, _ := strings.Cut(k.Name, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	p := port{proto, uint16(n)}
	if k.Kind != Kind || p.transport() != "tcp" && p.transport() != "udp" || err != nil || n == 0 || p.key() != k {
		return port{}, fmt.Errorf("%q is no forward, want one such as %q", k.String(), Kind+" tcp/25")
	}
	return p, nil
}

// target is where a port leads.
type target struct {
	host     string // an address, or whatever else the router has there
	port     uint16
	disabled bool
}

// String returns the canonical text of a forward: "10.10.10.10:25", or
// "10.10.10.10:25 disabled".
func (t target) String() string {
	s := net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
	if t.disabled {
		s += " disabled"
	}
	return s
}

// parseTarget is the reverse of String, for text that can be written to a router: the
// host must be an address.
func parseTarget(lines []string) (target, error) {
	if len(lines) != 1 {
		return target{}, fmt.Errorf("a forward is one line, got %q", lines)
	}
	text, disabled := strings.CutSuffix(lines[0], " disabled")
	ap, err := netip.ParseAddrPort(text)
	if err != nil || ap.Addr().Is4In6() || ap.Addr().Zone() != "" || ap.Port() == 0 {
		return target{}, fmt.Errorf("%q is no target of a forward, want one such as %q", lines[0], "10.10.10.10:25")
	}
	return target{ap.Addr().String(), ap.Port(), disabled}, nil
}

// parseForward reads a key and where it should lead, which must be of one family; a
// pinhole leads to the same port.
func parseForward(k plan.Key, lines []string) (p port, to target, err error) {
	if p, err = parsePort(k); err != nil {
		return p, to, err
	}
	if to, err = parseTarget(lines); err != nil {
		return p, to, err
	}
	six := strings.Contains(to.host, ":")
	if six != p.six() || six && to.port != p.number {
		return p, to, fmt.Errorf("%s can't lead to %s", p, to)
	}
	return p, to, nil
}

// mapping is what a router has for a port.
type mapping struct {
	port
	to          target
	description string
	grant       plan.Grant // its Lifetime is what is left at At; 0: it does not lapse
	unread      error      // why nothing else of this is known
}

func (m mapping) lines() []string { return []string{m.to.String()} }

// mark is the description that tells a site's mappings from those of others: short,
// because routers cut descriptions, and ASCII, because they garble everything else.
func mark(site string) string {
	clean := printable(site, 255)
	if len(clean) > 20 {
		sum := fnv.New32a() // so that two long names stay two
		sum.Write([]byte(clean))
		clean = fmt.Sprintf("%s-%04x", clean[:15], sum.Sum32()&0xffff)
	}
	return strings.TrimSpace("mailpub " + clean)
}

// printable returns the printable ASCII of s, at most n bytes, for text from a router
// that is shown to people.
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), n)]
}

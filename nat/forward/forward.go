// Package forward is the text of forwards: which port of the router's outside leads where.
// The plan has it as keys and lines ("tcp/25", "10.10.10.10:25"), a router's protocols as
// typed values, and this is where one becomes the other. It knows no protocol and no network.
package forward

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

// ErrConflict says that the port is mapped to something else. It is nat.ErrConflict, and stands
// here because every protocol can meet it.
var ErrConflict = errors.New("the port is taken")

// Kind is the kind of the keys of forwards.
const Kind = "forward"

// Port is an external port. With "tcp6" and "udp6" it is a pinhole: a port of the server's
// own IPv6 address that the router lets through, which translates nothing. It is a forward
// like any other, and not a kind of its own, since the same router grants it, in the same
// batch and for a lease as well; the words are those of package net.
type Port struct {
	Proto  string // "tcp", "udp", "tcp6" or "udp6"
	Number uint16
}

// Pinhole reports whether it is a pinhole.
func (p Port) Pinhole() bool { return strings.HasSuffix(p.Proto, "6") }

// Transport is "tcp" or "udp".
func (p Port) Transport() string { return strings.TrimSuffix(p.Proto, "6") }

func (p Port) String() string { return p.Proto + "/" + strconv.Itoa(int(p.Number)) }

func (p Port) Key() plan.Key { return plan.Key{Kind: Kind, Name: p.String()} }

// ParsePort reads the key of a forward: "tcp/25", or "tcp6/25" for a pinhole.
func ParsePort(k plan.Key) (Port, error) {
	proto, number, _ := strings.Cut(k.Name, "/")
	n, err := strconv.ParseUint(number, 10, 16)
	p := Port{proto, uint16(n)}
	if k.Kind != Kind || p.Transport() != "tcp" && p.Transport() != "udp" || err != nil ||
		n == 0 || p.Key() != k {
		return Port{}, fmt.Errorf("%q is no forward, want one such as %q", k.String(),
			Kind+" tcp/25")
	}

	return p, nil
}

// Target is where a port leads.
type Target struct {
	Host     string // an address, or whatever else the router has there
	Port     uint16
	Disabled bool
}

// String returns the canonical text of a forward: "10.10.10.10:25", or
// "10.10.10.10:25 disabled".
func (t Target) String() string {
	s := net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
	if t.Disabled {
		s += " disabled"
	}
	return s
}

// ParseTarget is the reverse of String, for text that can be written to a router: the
// host must be an address.
func ParseTarget(lines []string) (Target, error) {
	if len(lines) != 1 {
		return Target{}, fmt.Errorf("a forward is one line, got %q", lines)
	}

	text, disabled := strings.CutSuffix(lines[0], " disabled")
	ap, err := netip.ParseAddrPort(text)
	if err != nil || ap.Addr().Is4In6() || ap.Addr().Zone() != "" || ap.Port() == 0 {
		return Target{}, fmt.Errorf("%q is no target of a forward, want one such as %q",
			lines[0], "10.10.10.10:25")
	}

	return Target{ap.Addr().String(), ap.Port(), disabled}, nil
}

// Parse reads a key and where it should lead, which must be of one family; a
// pinhole leads to the same port.
func Parse(k plan.Key, lines []string) (p Port, to Target, err error) {
	if p, err = ParsePort(k); err != nil {
		return p, to, err
	}
	if to, err = ParseTarget(lines); err != nil {
		return p, to, err
	}

	six := strings.Contains(to.Host, ":")
	if six != p.Pinhole() || six && to.Port != p.Number {
		return p, to, fmt.Errorf("cannot forward %s to %s", p, to)
	}

	return p, to, nil
}

// Mapping is what a router has for a port.
type Mapping struct {
	Port
	To          Target
	Description string
	Grant       plan.Grant // its Lifetime is what is left at At; 0: it does not lapse
	Unread      error      // why nothing else of this is known
	From        string     // the only host outside that it is for; "" for any

	// Again says why the port has to be asked for once more, see plan.Item. With Unread it is
	// asked for although nothing is known of it.
	Again string
	// Unverified says that the router cannot tell, and that this is what it granted.
	Unverified bool
}

func (m Mapping) Lines() []string { return []string{m.To.String()} }

// Mark is the description that tells a site's mappings from those of others: short,
// because routers cut descriptions, and ASCII, because they garble everything else.
func Mark(site string) string {
	clean := Printable(site, 255)
	if len(clean) > 20 {
		sum := fnv.New32a() // so that two long names stay two
		sum.Write([]byte(clean))
		clean = fmt.Sprintf("%s-%04x", clean[:15], sum.Sum32()&0xffff)
	}
	return strings.TrimSpace("mailpub " + clean)
}

// Printable returns the printable ASCII of s, at most n bytes, for text from a router
// that is shown to people.
func Printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), n)]
}

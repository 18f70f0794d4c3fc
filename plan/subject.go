package plan

import (
	"net"
	"strconv"
	"strings"
)

// Subject is what a check looked at. Programs compare its fields; String makes the words that
// people and JSON documents have. Subjects are comparable: the same thing has equal subjects.
type Subject struct {
	Key     Key    // of the item that the check is about: {"forward", "tcp/25"}
	Name    string // a DNS name, a domain or a mailbox: "nomeazienda.it"
	Type    string // the type of the record at Name: "MX"
	Host    string // the host that the record leads to
	Service string // the name of the service at Addr and Port: "smtp"
	Addr    string // an address or a host name, without a port
	Port    uint16 // zero where there is none
	Outside bool   // the external probe found it, where a check from inside has the same subject

	// Text is in place of the words that the fields make, where these don't say all.
	Text string
}

const fromOutside = ", from outside"

// About returns a subject that has words alone.
func About(text string) Subject { return Subject{Text: text} }

// OfName returns the subject of a name.
func OfName(name string) Subject { return Subject{Name: name} }

// OfKey returns the subject of an item.
func OfKey(k Key) Subject { return Subject{Key: k} }

// OfAddr returns the subject of an address, with a port ("10.10.10.10:25") or without.
func OfAddr(addr string) Subject { return OfService("", addr) }

// OfService returns the subject of a service at an address.
func OfService(service, addr string) Subject {
	s := Subject{Service: service, Addr: addr}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return s
	}

	n, err := strconv.ParseUint(port, 10, 16)
	if err == nil && n > 0 {
		split := Subject{Service: service, Addr: host, Port: uint16(n)}
		if split.HostPort() == addr {
			return split
		}
	}

	return s
}

// HostPort is the address with its port, as net.Dial takes it; without a port the address alone.
func (s Subject) HostPort() string {
	if s.Port == 0 {
		return s.Addr
	}
	return net.JoinHostPort(s.Addr, strconv.Itoa(int(s.Port)))
}

// String is the subject in words: "nomeazienda.it MX mail.nomeazienda.it.", "smtp at 10.10.10.10:25",
// "tcp/25".
func (s Subject) String() string {
	text := s.words()
	if s.Outside {
		text += fromOutside
	}
	return text
}

func (s Subject) words() string {
	switch {
	case s.Text != "":
		return s.Text
	case s.Key != Key{}:
		return s.Key.Name
	case s.Service != "":
		return s.Service + " at " + s.HostPort()
	case s.Type != "" && s.Host != "":
		return s.Name + " " + s.Type + " " + s.Host
	case s.Type != "":
		return s.Name + " " + s.Type
	case s.Name != "":
		return s.Name
	}

	return s.HostPort()
}

// MarshalText writes the words.
func (s Subject) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String wrote. Services and addresses with a port get their fields back,
// all else has its words alone.
func (s *Subject) UnmarshalText(text []byte) error {
	words, outside := strings.CutSuffix(string(text), fromOutside)
	*s = About(words)
	service, addr, found := strings.Cut(words, " at ")

	if !found {
		service, addr = "", words
	}

	if of := OfService(service, addr); of.Port != 0 && (service != "" || !found) {
		*s = of
	}

	s.Outside = outside
	return nil
}

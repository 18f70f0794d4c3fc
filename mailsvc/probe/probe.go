// Package probe is the vantage outside: a server that looks at a mail server as a stranger
// meets it, and the client that asks it to.
//
// The server connects to nobody but the address that asks, at most so often, with commands of
// its own. It knows SMTP through mailsvc; what DNS says is asked through functions that are
// handed to it.
package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/check"
	"github.com/mailpub/mailpub/plan"
)

// Format names the form of requests and answers.
const Format = "mailpub/probe/v1"

// Limits of a request.
const (
	maxRequest = 16 << 10 // octets
	MaxDomains = 10
	maxPorts   = 20
)

// Request asks for a look at whoever sends it. Names are lower case, without final dots.
type Request struct {
	Format   string   `json:"format"`
	Hostname string   `json:"hostname"`
	Domains  []string `json:"domains,omitempty"`
	Ports    []Port   `json:"ports,omitempty"`

	// Message asks for a message to the postmaster of the first domain.
	Message bool `json:"message,omitempty"`
}

// Port is a TCP port that is to be open.
type Port struct {
	Name   string `json:"name"`
	Number uint16 `json:"port"`
}

// Answer is what the probe saw.
type Answer struct {
	Format string       `json:"format"`
	Seen   netip.Addr   `json:"seen"` // the address that asked
	From   []netip.Addr `json:"from"` // the probe's own, that a server may have seen
	Checks []plan.Check `json:"checks,omitempty"`
	Hops   []check.Hop  `json:"hops,omitempty"` // of the message
	Word   string       `json:"word,omitempty"` // that the message has in its subject
}

// check says what a request lacks. Of what it holds nothing is sent on that is no name.
func (r Request) check() error {
	switch {
	case r.Format != Format:
		return fmt.Errorf("format is %q, want %q", r.Format, Format)
	case len(r.Domains) > MaxDomains || len(r.Ports) > maxPorts:
		return fmt.Errorf("%d domains and %d ports, want at most %d and %d", len(r.Domains),
			len(r.Ports), MaxDomains, maxPorts)
	case r.Message && len(r.Domains) == 0:
		return errors.New("a message needs a domain")
	}

	for _, name := range append([]string{r.Hostname}, r.Domains...) {
		if name != "" && !isName(name) || name == "" && len(r.Domains)+len(r.Ports) > 0 {
			return fmt.Errorf("%q is no name of a host or domain", name)
		}
	}

	for _, p := range r.Ports {
		if p.Number == 0 || len(p.Name) > 40 || strings.ContainsFunc(p.Name, func(c rune) bool {
			return c < ' ' || c > '~'
		}) {
			return fmt.Errorf("port %d %q is not a port", p.Number, p.Name)
		}
	}

	return nil
}

// isName follows RFC 1123 section 2.1.
func isName(s string) bool {
	labels := strings.Split(s, ".")
	return len(s) <= 253 && len(labels) > 1 &&
		!slices.ContainsFunc(labels, func(l string) bool {
			return l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' ||
				strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != ""
		})
}

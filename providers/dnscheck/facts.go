package dnscheck

import (
	"context"
	"crypto/x509"
	"net/netip"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
)

// Facts is what the DNS checks compare with.
type Facts struct {
	Host    string       // the mail host
	Names   []string     // further hosts that the machine itself must not map elsewhere
	Public  []netip.Addr // of the mail host; empty: not known, and what needs it is skipped
	Domains []Domain

	// Resolver asks as the rest of the world does. Each of its servers is asked.
	Resolver *resolver.Resolver
	// Nameservers are the authoritative servers (host:port) of zones that are not to be
	// found by delegation.
	Nameservers map[string][]string
	// Own are addresses that this network has outside, behind a router that translates. That a name
	// server there answers from inside, or does not, says nothing of what the world meets.
	Own []netip.Addr
	// Inside is the mail server's address in its own network; "" where that is not known.
	Inside string
	// HostsFile is the system's table of hosts; "" is where the system keeps it.
	HostsFile string

	Zones      []string               // that mailpub or a person keeps
	Written    map[string]WrittenZone // by zone: where mailpub writes it
	BlockLists []string               // zones of DNS block lists to ask about Public

	// FetchPolicy fetches the MTA-STS policy of a domain, as senders do, and returns the first of
	// the hosts that it keeps mail away from. An error with served set is of the way there, not
	// of what is served. Nil: it is not fetched.
	FetchPolicy func(ctx context.Context, domain string, mx []mail.MX) (excluded string, served bool, err error)

	DANE   []uint16     // ports that the mail host is to have TLSA records for
	Served Served       // asks the mail server for its certificates; nil: it is not asked
	Owned  []plan.Entry // what mailpub put in place

	port string // of name servers that are found by their names; "" is 53
}

// Domain is a mail domain and what it is to have.
type Domain struct {
	Name       string
	MX         []mail.MX
	DKIM       []Selector
	DMARC      string // the policy that it is to have: "none", "quarantine", "reject"; "" for any
	PolicyID   string // of its MTA-STS policy; empty: it has none
	TLSRPT     bool
	Services   []mail.Service
	Autoconfig string // host; empty: it has none
}

// lookups returns what asks for these facts; it has no answers yet.
func (f Facts) lookups() *resolver.QueryCache {
	return resolver.NewQueryCache(f.Resolver, f.Nameservers, f.port)
}

// Selector is a DKIM key that a domain signs with, as the checks need to know it.
type Selector struct {
	Name string
	// Proves returns nil when a signature of the private key is proved by the text of a
	// record. It is nil where the private key is not to be had here.
	Proves func(record string) error
}

// Served returns the certificates that the mail server shows on a port, its own first; none
// where it answers and offers no TLS.
type Served func(ctx context.Context, port uint16) ([]*x509.Certificate, error)

// WrittenZone is where mailpub writes a zone.
type WrittenZone struct {
	Provider string   // its name
	Server   string   // host:port, where the zone is written at a name server
	Hosts    []string // what the provider's name servers are called, "*" standing for any part
}

// Package site is the application: one mail site, and everything that can be asked of it or
// written for it. Open it, make its plan, apply that, verify it, move it, repair it.
//
// It wires a config to providers, nat and mailsvc, and keeps the ledger. It returns results and
// calls an event function; it prints nothing, asks nobody, reads no flags and knows no colours.
// The command line, watch, reports, a fleet and tests use it, and nothing beside it.
package site

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/zone"
)

// Options are what a site is opened with beside its config. The zero value will do.
type Options struct {
	Logger     *slog.Logger // every step; nil for none
	HTTPClient *http.Client // carries the calls of DNS providers; nil for one of their own
	Backend    plan.Backend // keeps the ledger and its lock; nil for files beside the config
	State      State        // keeps what else outlasts the process; nil for files beside the config

	// Shared is what the site has in common with the others of the process. Nil: nothing, as for a command
	// that works on one site.
	Shared *Shared

	Event func(Event) // progress of what takes its time, one call after the other; may be nil

	Scope  Scope        // of plans
	Public []netip.Addr // one of each family that the config leaves open, where nobody is to be asked

	// MessagesNow has a Monitor send its messages at its first look, whenever the last ones were sent.
	MessagesNow bool

	// StartReceiver starts the bundled receiver for the time of a verification, where it is the
	// site's mail server and nothing listens. started says whether it did. Nil: it is not started.
	StartReceiver func(ctx context.Context, s *Site) (stop func(), started bool)

	reading func(config.Zone) *zone.Reading // how a zone is read that is only looked at; nil: whole
}

func (o Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

func (o Options) tell(e Event) {
	if o.Event != nil {
		o.Event(e)
	}
}

// Serial returns o with an Event function that several sites may use.
func (o Options) Serial() Options {
	if tell := o.Event; tell != nil {
		var mu sync.Mutex
		o.Event = func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			tell(e)
		}
	}

	return o
}

// Event tells of the progress of something that takes its time. What tells it says which ones.
type Event interface{ event() }

// Site is an opened site: the router was asked who it is, and the public address is known, or why
// not. It is valid from the moment that Open returns it and does not change. Its methods may not be
// called concurrently.
type Site struct {
	cfg      *config.Config
	options  Options
	ledger   *plan.Ledger
	lock     plan.Lock // nil for a site that was opened for looking
	resolver *resolver.Resolver
	pool     *zone.Shared // what zones at the same name server share

	router router
	public []publicAddress // what was found out where the config says auto
	spec   mail.Spec
	server mailsvc.Server
	probe  *probe.Client // nil without one

	elsewhere []string // zones whose delegated servers do not get what is written, as the last plan found
}

// Config returns the site's config.
func (s *Site) Config() *config.Config { return s.cfg }

// Spec returns what the config wants, with the public addresses that were found out.
func (s *Site) Spec() mail.Spec { return s.spec }

// SMTPAddr is where the mail server answers on the LAN.
func (s *Site) SMTPAddr() string { return smtpAddr(s.cfg, s.spec) }

func smtpAddr(cfg *config.Config, spec mail.Spec) string {
	return netip.AddrPortFrom(spec.Address, uint16(cfg.SMTPPort())).String()
}

// domainNames returns the domains whose mail the server takes, as addresses have them; none where others
// take the mail of all.
func domainNames(spec mail.Spec) (names []string) {
	for _, d := range spec.Inbound() {
		names = append(names, strings.TrimSuffix(d.Name, "."))
	}
	return names
}

// firstDomain is the one that the mail server is tried with; "" where others take the mail of all.
func firstDomain(spec mail.Spec) string {
	names := domainNames(spec)
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// PublicAddress is an address at which mail is to come in.
type PublicAddress struct {
	Addr    netip.Addr
	Sources string // "as the router says", where it was found out
}

// PublicAddresses returns the site's public addresses; none where they are not known.
func (s *Site) PublicAddresses() (list []PublicAddress) {
	for _, addr := range s.spec.Public {
		one := PublicAddress{Addr: addr}
		for _, p := range s.public {
			if p.err == nil && p.addr == addr {
				one.Sources = p.sources()
			}
		}
		list = append(list, one)
	}

	return list
}

// HostAddresses returns the addresses of the mail host as the resolver has them now.
func (s *Site) HostAddresses(ctx context.Context) ([]netip.Addr, error) {
	return s.resolver.Addresses(ctx, s.spec.Host)
}

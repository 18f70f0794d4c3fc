// Package scout looks at what there is before anything is set up: this machine, the router, the
// domains in DNS, the mail server. It changes nothing, prints nothing and decides nothing; what
// can't be seen is said in words where it would have been.
package scout

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
)

// Options say where to look.
type Options struct {
	Domains []string   // mail domains, without a final dot
	Host    string     // the mail host, where it is known
	Address netip.Addr // of the mail server on the LAN; not valid: of this machine
	Ports   []Port     // further ports of the server

	Router      nat.Options
	NoRouter    bool // none is asked
	Resolver    *resolver.Resolver
	Nameservers []string // to ask instead of those of the zones
	Egress      []string // mail servers outside at which port 25 is tried; empty: nobody is
}

// Result is what there is.
type Result struct {
	Machine Machine  `json:"machine"`
	Router  Router   `json:"router"`
	DNS     DNS      `json:"dns"`
	Server  Server   `json:"server"`
	Egress  []Egress `json:"egress,omitempty"`
}

// Router is the router as it is, with the ports of mail that it forwards.
type Router struct {
	nat.Report
	Silent string `json:"silent,omitempty"` // why none was found; the rest is then empty
}

// Detect looks everywhere at once. The error is ctx's alone.
func Detect(ctx context.Context, o Options) (Result, error) {
	f := Result{Machine: ThisMachine(ctx)}
	if !o.Address.IsValid() {
		o.Address = f.Machine.Address
	}

	var wg sync.WaitGroup
	wg.Go(func() { f.Router = detectRouter(ctx, o) })
	wg.Go(func() { f.Server = detectServer(ctx, o) })
	wg.Go(func() { f.DNS = detectDNS(ctx, o) })
	wg.Go(func() { f.Egress = detectEgress(ctx, o.Egress) })
	wg.Wait()

	if a := f.Public(); a.IsValid() && ctx.Err() == nil {
		f.DNS.reverse(ctx, newSurvey(o), a)
	}

	return f, ctx.Err()
}

// Direct reports whether the server has a public address itself, and no router was found.
func (f Result) Direct() bool {
	return f.Router.Silent != "" && nat.KindOf(f.Server.Address) == "public"
}

// Public returns the site's public IPv4 address: what the router has, else the server's own,
// else the mail host's in DNS; not valid where nothing tells.
func (f Result) Public() netip.Addr {
	if f.Router.WAN.Kind == "public" {
		return f.Router.WAN.Address
	}
	if f.Direct() {
		return f.Server.Address
	}

	for _, a := range f.DNS.Host.Addresses {
		if a.Is4() {
			return a
		}
	}

	return netip.Addr{}
}

func detectRouter(ctx context.Context, o Options) Router {
	if o.NoRouter {
		return Router{Silent: "it was not asked"}
	}

	r, err := nat.Open(ctx, o.Router)
	if err != nil {
		return Router{Silent: err.Error()}
	}

	var wanted []plan.Item
	for _, p := range Ports(o.Ports) {
		f := mail.Forward{Name: p.Name, Proto: "tcp", Port: p.Number}
		wanted = append(wanted, plan.Item{
			Key:   f.Key(),
			Lines: []string{netip.AddrPortFrom(o.Address, p.Inside()).String()},
		})
	}

	if r.Protocol() == "manual" {
		wanted = nil // nobody can say
	}

	report, err := r.Status(ctx, wanted)
	if err != nil {
		return Router{Silent: err.Error()}
	}

	report.Forwards = slices.DeleteFunc(report.Forwards, func(s nat.ForwardStatus) bool {
		return s.Is == ""
	})

	return Router{Report: report}
}

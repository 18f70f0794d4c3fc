package nat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan"
)

// Options says which router to use and how. The zero value finds the router by
// whatever protocol it answers.
type Options struct {
	Protocol string // "auto" (also ""), "upnp", "pcp", "nat-pmp", "nftables" or "manual"

	// These narrow down the router where several answer. URL is that of its UPnP
	// description, and saves the search. With nftables Interface is the one of the WAN.
	Interface string
	URL       string
	Gateway   netip.Addr // default: the system's default gateway

	// IPv6 is the server's own address, for pinholes; not valid where none are wanted.
	IPv6     netip.Addr
	Gateway6 netip.Addr // default: the system's default gateway of IPv6

	// Site is what this site's mappings are marked with.
	Site string
	// Names returns what a forward is called, for its description in the router; nil, and "":
	// by its number.
	Names func(plan.Key) string
	// Recorded are the keys of the forwards that the ledger has: what made them is asked first.
	Recorded []plan.Key
	// Known returns what was granted for a key in an earlier run; nil for nothing.
	Known func(plan.Key) (plan.Grant, bool)

	Timeout time.Duration    // of each request; default 5 s
	Now     func() time.Time // default time.Now
	Logger  *slog.Logger     // default: discards

	// Search is where UPnP searches are sent; default 239.255.255.250:1900, on every
	// network interface.
	Search  netip.AddrPort
	patient bool // an answer is waited for longer, as there was one before

	// These list the system's default gateways; default: they ask the system.
	Gateways, Gateways6 func() ([]netip.Addr, error)
}

// How long is waited in Open. The standard lets a device take as long for its answer as the
// search says (MX, see search.go); some take three seconds all the same.
const (
	searchTime = 5 * time.Second         // for the first answer: MX, and what devices take beside
	pmpTime    = 2 * time.Second         // for an answer to NAT-PMP or PCP
	patience   = 3                       // times as long, of a protocol that made forwards
	upnpGrace  = 1200 * time.Millisecond // for a better protocol, once one has answered
	otherGrace = 600 * time.Millisecond  // for a second router, once one has answered that is not the gateway
)

// Open finds the router. Under "auto" it asks in all protocols at once, and takes UPnP
// where that answers, as it can be read back. Nothing is written. The error wraps
// ErrNoRouter or ErrSeveralRouters where that is the reason.
func Open(ctx context.Context, o Options) (*Router, error) {
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Known == nil {
		o.Known = func(plan.Key) (plan.Grant, bool) { return plan.Grant{}, false }
	}
	if o.Gateways == nil {
		o.Gateways = gateway.Default
	}
	if o.Gateways6 == nil {
		o.Gateways6 = gateway.Default6
	}
	var byPCP opened // pinholes, asked for at the same time
	var asked sync.WaitGroup
	asked.Go(func() { byPCP.device, byPCP.why, byPCP.err = openPCP6(ctx, o) })
	d, why, err := openDevice(ctx, o)
	asked.Wait()
	if err != nil {
		return nil, err
	}
	r := &Router{device: d, why: why, mark: forward.Mark(o.Site), known: o.Known, log: o.Logger, now: o.Now, options: o}
	if r.auto = (o.Protocol == "" || o.Protocol == "auto") && o.URL == ""; !r.auto {
		r.former = o.findFormer(ctx, d.Protocol())
	}
	r.holes = o.holes(ctx, d, byPCP)
	o.Logger.Info("router", "protocol", d.Protocol(), "device", d.String(), "why", why, "pinholes", r.holes.Protocol())
	return r, nil
}

func openDevice(ctx context.Context, o Options) (d device, why string, err error) {
	switch o.Protocol {
	case "manual":
		d, why = manual{}, "manual: so says the config"
	case "upnp":
		d, why, err = openUPnP(ctx, o)
	case "nat-pmp":
		d, why, err = openPMP(ctx, o)
	case "pcp":
		d, why, err = openPCP(ctx, o)
	case "nftables":
		d, why, err = openNFT(ctx, o)
	case "auto", "":
		open := openAny
		if o.URL != "" { // a choice of UPnP
			open = openUPnP
		}
		d, why, err = open(ctx, o)
	default:
		err = fmt.Errorf("unknown router protocol %q, want auto, upnp, pcp, nat-pmp, nftables or manual", o.Protocol)
	}
	return d, why, err
}

// way is a protocol that auto tries.
type way struct {
	protocol string
	open     func(context.Context, Options) (device, string, error)
}

// ways are the protocols in the order in which auto prefers them: first what can be read
// back, then the younger protocol.
func ways() []way {
	return []way{{"upnp", openUPnP}, {"pcp", openPCP}, {"nat-pmp", openPMP}}
}

type opened struct {
	rank   int
	device device
	why    string
	err    error
}

// openAny asks in all protocols at once, and takes the best that answers. Once one has
// answered, those before it have a while left; UPnP has none where that is the gateway and
// the gateway has nobody who listens to searches. Where the ledger knows which protocol made
// this site's forwards, that one is waited for, and is the one: see unanswered.
func openAny(ctx context.Context, o Options) (device, string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := ways()
	maker := o.maker()
	answers := make(chan opened, len(all))
	for rank, w := range all {
		asked := o
		asked.patient = w.protocol == maker
		go func() {
			d, why, err := w.open(ctx, asked)
			answers <- opened{rank, d, why, err}
		}()
	}
	got := make([]*opened, len(all))
	deaf := o.deaf(ctx)
	var noUPnP error
	var grace <-chan time.Time
	for {
		select {
		case a := <-answers:
			got[a.rank] = &a
			if a.err == nil && grace == nil && maker == "" {
				grace = time.After(upnpGrace)
			}
		case noUPnP = <-deaf:
			deaf = nil
		case <-grace:
			for rank := range got {
				if got[rank] == nil {
					got[rank] = &opened{err: fmt.Errorf("nothing within %v", upnpGrace)}
				}
			}
		case <-ctx.Done():
			return nil, "", context.Cause(ctx)
		}
		if noUPnP != nil && grace != nil && got[0] == nil {
			got[0] = &opened{err: noUPnP}
		}
		if maker != "" {
			if d, why, err, decided := bestForMaker(all, got, maker); decided {
				return d, why, err
			}
		} else if best, decided := settled(got); decided {
			return conclude(all, got, best)
		}
	}
}

// bestForMaker is settled for a site whose forwards a protocol made: that one as soon as it
// answers, and a stand-in for it where others answer alone.
func bestForMaker(all []way, got []*opened, maker string) (d device, why string, err error, decided bool) {
	for rank, w := range all {
		if w.protocol != maker {
			continue
		}
		if got[rank] != nil && got[rank].err == nil {
			return got[rank].device, got[rank].why + "; it made this site's forwards", nil, true
		}
		best, complete := settled(got)
		if got[rank] == nil || !complete {
			return nil, "", nil, false
		}
		if best < 0 || errors.Is(got[rank].err, ErrSeveralRouters) {
			d, why, err = conclude(all, got, -1)
			return d, why, err, true
		}
		reason := bare(got[rank].err)
		why = fmt.Sprintf("%s made this site's forwards and does not answer now: %v; %s", maker, reason, got[best].why)
		return &unanswered{maker, got[best].device, reason}, why, nil, true
	}
	return nil, "", nil, false
}

// settled returns the best of the answers, once nothing better can come; -1 for none.
func settled(got []*opened) (best int, decided bool) {
	for rank, a := range got {
		if a == nil {
			return -1, false
		}
		if a.err == nil {
			return rank, true
		}
	}
	return -1, true
}

// conclude says why a protocol was taken and why not the others, or why none was.
func conclude(all []way, got []*opened, best int) (device, string, error) {
	if best < 0 {
		if errors.Is(got[0].err, ErrSeveralRouters) {
			return nil, "", got[0].err
		}
		err := ErrNoRouter
		for rank, w := range all {
			sep := "; "
			if rank == 0 {
				sep = ": "
			}
			err = fmt.Errorf("%w%s%s: %w", err, sep, w.protocol, bare(got[rank].err))
		}
		return nil, "", err
	}
	why := got[best].why
	for rank, w := range all[:best] {
		why += fmt.Sprintf("; not %s: %v", w.protocol, got[rank].err)
	}
	if best == 0 {
		why += "; not pcp or nat-pmp, as those can't be read back"
	}
	return got[best].device, why, nil
}

// waits is how long an answer is waited for.
func (o Options) waits(usual time.Duration) time.Duration {
	if o.patient {
		return patience * usual
	}
	return usual
}

func openPMP(ctx context.Context, o Options) (device, string, error) {
	at, which, err := o.gateway()
	if err != nil {
		return nil, "", &noRouter{err}
	}
	p := &pmp{newGrants("nat-pmp", at, gateway.SourceAddr(at.String()), o), o.Timeout}
	limit := o.waits(pmpTime)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("nothing within %v", limit))
	defer cancel()
	_, _, err = p.outside(ctx)
	var no *refusal
	if err != nil && !errors.As(err, &no) { // a refusal is an answer
		return nil, "", &noRouter{fmt.Errorf("%s %s: %w", which, at, err)}
	}
	return p, fmt.Sprintf("nat-pmp: %s %s answers", which, at), nil
}

package nat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan"
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

	var byPCP openResult // pinholes, asked for at the same time
	var asked sync.WaitGroup
	asked.Go(func() { byPCP.device, byPCP.why, byPCP.err = openPCP6(ctx, o) })
	d, why, err := openDevice(ctx, o)
	asked.Wait()
	if err != nil {
		return nil, err
	}

	r := &Router{
		device:  d,
		why:     why,
		mark:    forward.Mark(o.Site),
		known:   o.Known,
		log:     o.Logger,
		now:     o.Now,
		options: o,
	}

	if r.auto = (o.Protocol == "" || o.Protocol == "auto") && o.URL == ""; !r.auto {
		r.former = o.findFormer(ctx, d.Protocol())
	}

	r.holes = o.openPinholes(ctx, d, byPCP)
	o.Logger.Info("router", "protocol", d.Protocol(), "device", d.String(), "why", why,
		"pinholes", r.holes.Protocol())

	return r, nil
}

func openDevice(ctx context.Context, o Options) (d device, why string, err error) {
	switch o.Protocol {
	case "manual":
		d = manual{}
		why = "manual: so says the config"
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
		err = fmt.Errorf("unknown router protocol %q, want auto, upnp, pcp, nat-pmp, nftables or manual",
			o.Protocol)
	}

	return d, why, err
}

// protocolOrder are the protocols in the order in which auto prefers them: first what can be read
// back, then the younger protocol.
func protocolOrder() []protocolOption {
	return []protocolOption{{"upnp", openUPnP}, {"pcp", openPCP}, {"nat-pmp", openPMP}}
}

// openAny asks in all protocols at once, and takes the best that answers. Once one has
// answered, those before it have a while left; UPnP has none where that is the gateway and
// the gateway has nobody who listens to searches. Where the ledger knows which protocol made
// this site's forwards, that one is waited for, and is the one: see unanswered.
func openAny(ctx context.Context, o Options) (device, string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	all := protocolOrder()
	maker := o.formerMaker()
	answers := make(chan openResult, len(all))

	for rank, w := range all {
		asked := o
		asked.patient = w.protocol == maker
		go func() {
			d, why, err := w.open(ctx, asked)
			answers <- openResult{rank, d, why, err}
		}()
	}

	got := make([]*openResult, len(all))
	deaf := o.probeSSDP(ctx)
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
					got[rank] = &openResult{err: fmt.Errorf("nothing within %v", upnpGrace)}
				}
			}
		case <-ctx.Done():
			return nil, "", context.Cause(ctx)
		}

		if noUPnP != nil && grace != nil && got[0] == nil {
			got[0] = &openResult{err: noUPnP}
		}

		if maker != "" {
			if d, why, err, decided := bestForMaker(all, got, maker); decided {
				return d, why, err
			}
		} else if best, decided := bestAnswer(got); decided {
			return explainChoice(all, got, best)
		}
	}
}

// bestForMaker is settled for a site whose forwards a protocol made: that one as soon as it
// answers, and a stand-in for it where others answer alone.
func bestForMaker(all []protocolOption, got []*openResult, maker string) (d device, why string, err error, decided bool) {
	for rank, w := range all {
		if w.protocol != maker {
			continue
		}
		if got[rank] != nil && got[rank].err == nil {
			return got[rank].device, got[rank].why + "; it made this site's forwards", nil, true
		}

		best, complete := bestAnswer(got)
		if got[rank] == nil || !complete {
			return nil, "", nil, false
		}

		if best < 0 || errors.Is(got[rank].err, ErrSeveralRouters) {
			d, why, err = explainChoice(all, got, -1)
			return d, why, err, true
		}

		reason := withoutErrNoRouter(got[rank].err)
		why = fmt.Sprintf("%s made this site's forwards and does not answer now: %v; %s",
			maker, reason, got[best].why)

		return &silentProtocol{maker, got[best].device, reason}, why, nil, true
	}

	return nil, "", nil, false
}

// bestAnswer returns the best of the answers, once nothing better can come; -1 for none.
func bestAnswer(got []*openResult) (best int, decided bool) {
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

// explainChoice says why a protocol was taken and why not the others, or why none was.
func explainChoice(all []protocolOption, got []*openResult, best int) (device, string, error) {
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
			err = fmt.Errorf("%w%s%s: %w", err, sep, w.protocol,
				withoutErrNoRouter(got[rank].err))
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

package site

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan/mail"
)

// routerAddr is whose announcements to listen to.
type routerAddr struct {
	router, wan netip.Addr
	none        bool // there is no router to listen to
}

// routerAddrFeed is where the router is, as the last look had it; the latest alone.
type routerAddrFeed chan routerAddr

// set notes whose announcements count from now on.
func (a routerAddrFeed) set(cfg *config.Config, r router) {
	at := routerAddr{wan: r.wan}
	if r.Router != nil {
		at.router = r.Address()
		at.none = !at.router.IsValid()
	}

	if u, err := url.Parse(cfg.Router.URL); err == nil && !at.router.IsValid() {
		at.router, _ = netip.ParseAddr(u.Hostname())
	}

	at.none = at.none || at.router.IsLoopback() ||
		cfg.Router.RouterKind() != mail.RouterProtocol

	select {
	case <-a:
	default:
	}

	a <- at
}

// listen hears the router's announcements from the first look on, until ctx is done. It begins anew
// when the router is another one. l says how it is listened to.
func (a routerAddrFeed) listen(ctx context.Context, l nat.Listener, tell func(watch.RouterEvent)) error {
	at := routerAddr{none: true} // until the first look
	failed := make(chan error, 1)
	stop := func() {}
	defer func() { stop() }()

	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case now := <-a:
			if now.router == at.router && now.none == at.none { // its address it announces itself
				continue
			}

			stop()
			at = now
			stop = func() {}

			if !at.none {
				l.Router = at.router
				l.Address = at.wan
				stop = listenToRouter(ctx, l, tell, failed)
			}
		}
	}
}

// listenToRouter hears one router until stop is called.
func listenToRouter(ctx context.Context, l nat.Listener, tell func(watch.RouterEvent), failed chan<- error) (stop func()) {
	running, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := l.Run(running, func(e nat.Event) { tell(routerEvent(e)) }); err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	}()

	return func() { cancel(); <-ended }
}

func routerEvent(e nat.Event) watch.RouterEvent {
	kind := map[nat.Happening]watch.Kind{
		nat.Restarted: watch.RouterRestarted, nat.Gone: watch.RouterGone,
		nat.AddressChanged: watch.AddressSeen,
	}[e.What]

	text := fmt.Sprintf("router %s: %s (%s)", e.Router, e.Why, e.Protocol)
	if e.What == nat.Restarted {
		text = fmt.Sprintf("router %s has restarted (%s: %s)", e.Router, e.Protocol, e.Why)
	}

	return watch.RouterEvent{Kind: kind, Text: text}
}

package providers

import (
	"context"
	"errors"
	"sync"

	"github.com/mailpub/mailpub/plan/mail"
)

func manualProvider() Provider {
	return Provider{
		Name:    "manual",
		Summary: "no interface: mailpub says what to enter and reads it over DNS",
		Scopes:  "none",
		Manual:  true,
		open: func(o Options) (backend, error) {
			return &manualBackend{resolver: o.Resolver}, nil
		},
	}
}

// manualBackend knows a zone only by what is published. Its records have no TTL: at a
// resolver that counts down, and it is the person's to choose.
type manualBackend struct{ resolver *Resolver }

// list asks for each RRset, all at once. A question without an answer leaves that RRset
// unknown; it never makes it absent.
func (b *manualBackend) list(ctx context.Context, sets []rrset) (listing, error) {
	l := newListing()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, set := range sets {
		wg.Go(func() {
			a, err := b.resolver.Lookup(ctx, set.name, set.rrtype)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				l.unknown[set] = "not known: " + err.Error()
				return
			}
			for _, r := range a.Records {
				if mail.FQDN(r.Name) == set.name {
					l.add(record{rrset: set, data: r.Data, ttl: -1})
				}
			}
		})
	}
	wg.Wait()
	return l, ctx.Err()
}

func (b *manualBackend) write(context.Context, []edit) error {
	return errors.New("this zone is entered by hand: nothing was written")
}

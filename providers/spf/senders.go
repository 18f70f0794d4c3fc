package spf

import (
	"context"
	"errors"
	"net/netip"

	"blitiri.com.ar/go/spf"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// Senders answers what a receiver asks of DNS about who sends it a message. It asks the
// resolvers alone, as a stranger to every zone. Methods may be called concurrently.
type Senders struct{ Resolver *resolver.Resolver }

func (s Senders) resolver() libraryResolver {
	return libraryResolver{
		QueryCache:    resolver.NewQueryCache(s.Resolver, nil, ""),
		resolversOnly: true,
	}
}

// Listed reports whether the SPF record of a domain names an address, itself or by what it includes. That everybody
// may send (+all) names no address. The error says why DNS could not tell; each name is looked up once in the life of
// the function, which is not safe for concurrent use.
func (s Senders) Listed(ctx context.Context) func(addr netip.Addr, domain string) (bool, error) {
	look := s.resolver()
	return func(addr netip.Addr, domain string) (bool, error) {
		result, why := look.checkHost(ctx, addr, domain, "postmaster@"+domain)
		if result == TempError {
			return false, why
		}
		return result == Pass && !errors.Is(why, spf.ErrMatchedAll), nil
	}
}

// SPF evaluates whether an address may send for a sender; where that is empty, for the name in
// HELO (RFC 7208 section 2.4). The result is one of RFC 7208 section 2.6, and the error says
// why.
func (s Senders) SPF(ctx context.Context, addr netip.Addr, helo, sender string) (string, error) {
	if sender == "" {
		sender = "postmaster@" + helo
	}
	result, err := s.resolver().checkHost(ctx, addr, helo, sender)
	return string(result), err
}

// Texts returns the TXT records at a name. An error is a *net.DNSError, not found or
// temporary.
func (s Senders) Texts(ctx context.Context, name string) ([]string, error) {
	return s.resolver().LookupTXT(ctx, name)
}

// Exchangers returns the hosts that a domain's mail goes to, the first to be tried first; the
// domain itself where it has no MX (RFC 5321 section 5.1), none where it takes no mail (RFC
// 7505).
func (s Senders) Exchangers(ctx context.Context, domain string) (hosts []string, err error) {
	a, err := s.Resolver.Lookup(ctx, domain, "MX")
	if err != nil {
		return nil, err
	}

	mxs := a.Exchangers()
	if resolver.RefusesMail(mxs) {
		return nil, nil
	}
	if len(mxs) == 0 {
		return []string{domain}, nil
	}

	for _, m := range mxs {
		hosts = append(hosts, record.Bare(m.Host))
	}

	return hosts, nil
}

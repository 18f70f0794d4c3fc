package providers

import (
	"context"
	"net"
	"net/netip"

	"blitiri.com.ar/go/spf"
)

// Senders answers what a receiver asks of DNS about who sends it a message. It asks the
// resolvers alone, as a stranger to every zone. Methods may be called concurrently.
type Senders struct{ Resolver *Resolver }

func (s Senders) resolver() spfResolver {
	return spfResolver{lookups: newLookups(Facts{Resolver: s.Resolver}), resolversOnly: true}
}

// SPF evaluates whether an address may send for a sender; where that is empty, for the name in
// HELO (RFC 7208 section 2.4). The result is one of RFC 7208 section 2.6, and the error says
// why.
func (s Senders) SPF(ctx context.Context, addr netip.Addr, helo, sender string) (string, error) {
	if sender == "" {
		sender = "postmaster@" + helo
	}
	result, err := spf.CheckHostWithSender(net.IP(addr.Unmap().AsSlice()), helo, sender, spf.WithContext(ctx), spf.WithResolver(s.resolver()))
	return string(result), err
}

// Texts returns the TXT records at a name. An error is a *net.DNSError, not found or
// temporary.
func (s Senders) Texts(ctx context.Context, name string) ([]string, error) {
	return s.resolver().LookupTXT(ctx, name)
}

package providers

import (
	"context"
	"net"
	"net/netip"

	"github.com/mailpub/mailpub/plan"
)

// spfResolver gives the SPF library its look-ups. The library knows an error by its being
// a *net.DNSError and not wrapped: not found, or of a kind that may pass.
type spfResolver struct {
	*lookups
	planned       map[rrset][]string // data of what is not published yet, in place of what is
	resolversOnly bool               // not the zones' own servers
}

func (r spfResolver) find(ctx context.Context, name, rrtype string) (Answer, error) {
	if name == "." || name == "" { // the target of a null MX has nothing
		return Answer{Status: NoName}, &net.DNSError{Err: NoName.String(), Name: name, IsNotFound: true}
	}
	if data, ok := r.planned[rrset{plan.FQDN(name), rrtype}]; ok {
		a := Answer{}
		for _, d := range data {
			a.Records = append(a.Records, Record{Name: plan.FQDN(name), Data: d})
		}
		return a, nil
	}
	ask := r.truth
	if r.resolversOnly {
		ask = r.resolve
	}
	a, err := ask(ctx, name, rrtype)
	switch {
	case err != nil:
		return a, &net.DNSError{Err: err.Error(), Name: name, IsTemporary: true}
	case a.Status == NoName:
		return a, &net.DNSError{Err: a.Status.String(), Name: name, IsNotFound: true}
	}
	return a, nil
}

// LookupTXT returns the texts at a name.
func (r spfResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := r.find(ctx, name, "TXT")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, data := range a.Data() {
		if text, err := plan.Text(data); err == nil {
			out = append(out, text)
		}
	}
	return out, nil
}

// LookupMX returns the mail exchangers of a name.
func (r spfResolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	a, err := r.find(ctx, name, "MX")
	if err != nil {
		return nil, err
	}
	var out []*net.MX
	for _, m := range exchangers(a) {
		out = append(out, &net.MX{Host: m.Host, Pref: m.Preference})
	}
	return out, nil
}

// LookupIPAddr returns the addresses of a host.
func (r spfResolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	var out []net.IPAddr
	for _, t := range []string{"A", "AAAA"} {
		a, err := r.find(ctx, host, t)
		if err != nil {
			return nil, err
		}
		for _, addr := range a.addresses() {
			out = append(out, net.IPAddr{IP: addr.AsSlice()})
		}
	}
	return out, nil
}

// LookupAddr returns the names of an address.
func (r spfResolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, &net.DNSError{Err: err.Error(), Name: addr}
	}
	a, err := r.find(ctx, plan.ReverseName(ip), "PTR")
	if err != nil {
		return nil, err
	}
	return a.Data(), nil
}

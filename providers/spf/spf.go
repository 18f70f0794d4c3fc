package spf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"blitiri.com.ar/go/spf"
	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/lazy"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// libraryResolver gives the SPF library its look-ups. The library knows an error by its being
// a *net.DNSError and not wrapped: not found, or of a kind that may pass.
type libraryResolver struct {
	*resolver.QueryCache
	planned       map[record.RRset][]string // data of what is not published yet, in place of what is
	resolversOnly bool                      // not the zones' own servers
	problem       *string                   // of the first record that is malformed
	client        netip.Addr                // that the policy is evaluated for
	// stranger says that the client is one that no policy lists: look-ups in vain that its
	// address leads to are not the policy's fault.
	stranger bool
	voids    *int // other look-ups in vain, of a stranger's

	withoutIPv6 *[]string // hosts that an IPv6 client's policy asks for and that have IPv4 addresses only
}

// MalformedError is the error of a record that is no SPF record by its grammar.
type MalformedError string

func (e MalformedError) Error() string { return string(e) }

// checkHost evaluates whether an address may send for a sender, by the rules of RFC 7208 section
// 4, with its limits: 10 terms that look something up, 2 of them in vain. The error says why the
// result is what it is.
func (r libraryResolver) checkHost(ctx context.Context, addr netip.Addr, helo, sender string) (spf.Result, error) {
	r.problem = new(string)
	r.client = addr.Unmap()
	options := []spf.Option{spf.WithContext(ctx)}

	if r.stranger {
		r.voids = new(int)
		options = append(options, spf.OverrideVoidLookupLimit(100)) // counted here
	}

	result, err := spf.CheckHostWithSender(net.IP(addr.Unmap().AsSlice()), helo, sender,
		append(options, spf.WithResolver(r))...)

	if r.voids != nil && *r.voids > MostVoid && result != PermError && result != TempError { // RFC 7208 section 4.6.4
		result = PermError
		err = spf.ErrVoidLookupLimitReached
	}

	if *r.problem != "" && result == spf.PermError {
		err = MalformedError(*r.problem)
	}

	return result, err
}

// countVoid counts a look-up in vain of a stranger's. Names that are made of the client's address
// (macros) are there for the clients that are listed, and in vain for all others.
func (r libraryResolver) countVoid(name string, err error, answers int) {
	notFound := &net.DNSError{}
	if r.voids == nil || answers > 0 || err != nil &&
		!(errors.As(err, &notFound) && notFound.IsNotFound) {
		return
	}

	reverse, _, _ := strings.Cut(mail.ReverseName(r.client), ".in-addr")
	if strings.Contains(name, r.client.String()) || strings.Contains(name, reverse) {
		return
	}

	*r.voids++
}

func (r libraryResolver) find(ctx context.Context, name, rrtype string) (resolver.Answer, error) {
	name = spelled(strings.ReplaceAll(name, slash, "/"))
	if _, ok := dns.IsDomainName(name); !ok ||
		name == "." { // nothing can be there; "." is the target of a null MX
		return resolver.Answer{Status: resolver.NoName}, &net.DNSError{
			Err:        resolver.NoName.String(),
			Name:       name,
			IsNotFound: true,
		}
	}

	if data, ok := r.planned[record.RRset{Name: mail.FQDN(name), Type: rrtype}]; ok {
		a := resolver.Answer{}
		for _, d := range data {
			a.Records = append(a.Records, resolver.Record{Name: mail.FQDN(name), Data: d})
		}
		return a, nil
	}

	ask := r.Authoritative
	if r.resolversOnly {
		ask = r.Resolve
	}

	a, err := ask(ctx, name, rrtype)
	switch {
	case err != nil:
		return a, &net.DNSError{Err: err.Error(), Name: name, IsTemporary: true}
	case a.Status == resolver.NoName:
		return a, &net.DNSError{Err: a.Status.String(), Name: name, IsNotFound: true}
	}

	return a, nil
}

// LookupTXT returns the texts at a name.
func (r libraryResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := r.find(ctx, name, "TXT")
	if err != nil {
		return nil, err
	}

	out, problem := checked(a.Texts())
	if r.problem != nil && *r.problem == "" {
		*r.problem = problem
	}

	for i, text := range out {
		out[i] = r.expandP(ctx, name, text)
	}

	return out, nil
}

var macroP = lazy.Regexp(`%\{[pP]\}`)

// expandP puts the client's validated name in the place of the macro that asks for it, which the
// library does not know (RFC 7208 section 7.3): the domain itself, or one below it, or any.
func (r libraryResolver) expandP(ctx context.Context, domain, text string) string {
	if !r.client.IsValid() || !strings.HasPrefix(strings.ToLower(text), Tag) ||
		!macroP().MatchString(text) {
		return text
	}

	const unknown = "unknown"
	best := unknown
	ptr, err := r.find(ctx, mail.ReverseName(r.client), "PTR")
	names := ptr.Data()

	for _, name := range names[:min(len(names), 10)] { // section 4.6.4
		a, err := r.find(ctx, name, mail.AddressType(r.client))
		if err != nil || !slices.Contains(a.Addresses(), r.client) {
			continue
		}

		if within := mail.Within(mail.FQDN(name), mail.FQDN(domain)); within ||
			best == unknown {
			best = record.Bare(name)
			if within {
				break
			}
		}
	}

	if err != nil {
		best = unknown
	}

	return macroP().ReplaceAllLiteralString(text, best)
}

// spelled is a name, which macros may have put anything into, as DNS writes names.
func spelled(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.' || c == '-' || c == '_' || '0' <= c && c <= '9' ||
			'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "\\%03d", c)
		}
	}

	return b.String()
}

// LookupMX returns the mail exchangers of a name.
func (r libraryResolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	a, err := r.find(ctx, name, "MX")
	r.countVoid(name, err, len(a.Records))
	if err != nil {
		return nil, err
	}

	var out []*net.MX
	for _, m := range a.Exchangers() {
		out = append(out, &net.MX{Host: m.Host, Pref: m.Preference})
	}

	return out, nil
}

// LookupIPAddr returns the addresses of a host. Receivers ask for those of the client's family alone
// (RFC 7208 section 5), and for "exists" by IPv4 whatever the client (section 5.7): what the server
// says of the other family decides nothing.
func (r libraryResolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	types := []string{"A"}
	if r.client.Is6() {
		types = []string{"AAAA", "A"}
	}

	var out []net.IPAddr
	for i, t := range types {
		a, err := r.find(ctx, host, t)
		if err != nil && i > 0 {
			break
		}

		if err != nil {
			r.countVoid(host, err, 0)
			return nil, err
		}

		addrs := a.Addresses()
		if i > 0 && len(out) == 0 && len(addrs) > 0 && r.withoutIPv6 != nil &&
			!slices.Contains(*r.withoutIPv6, host) {
			*r.withoutIPv6 = append(*r.withoutIPv6, host)
		}

		for _, addr := range addrs {
			out = append(out, net.IPAddr{IP: addr.AsSlice()})
		}
	}

	r.countVoid(host, nil, len(out))
	return out, nil
}

// LookupAddr returns the names of an address.
func (r libraryResolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, &net.DNSError{Err: err.Error(), Name: addr}
	}

	a, err := r.find(ctx, mail.ReverseName(ip), "PTR")
	if err != nil {
		return nil, err
	}

	return a.Data(), nil
}

// Result is what a policy says of a sender (RFC 7208 section 2.6).
type Result = spf.Result

// Results that a caller may ask for.
const (
	Pass      = spf.Pass
	TempError = spf.TempError
	PermError = spf.PermError
)

// MostVoid is how many look-ups a policy may ask for that have no answer (RFC 7208 section 4.6.4).
const MostVoid = 2

// WithoutIPv6 returns the hosts that a policy has a receiver ask for before it decides on an IPv6 client, and that
// have IPv4 addresses only. Some receivers count each as a look-up without an answer.
func WithoutIPv6(ctx context.Context, l *resolver.QueryCache, addr netip.Addr, helo, sender string) (hosts []string) {
	r := libraryResolver{QueryCache: l, withoutIPv6: &hosts}
	_, _ = r.checkHost(ctx, addr, helo, sender)
	return hosts
}

// Evaluate evaluates whether an address may send for a sender, by what the zones' own servers
// publish. The error says why the result is what it is.
func Evaluate(ctx context.Context, l *resolver.QueryCache, addr netip.Addr, helo, sender string) (Result, error) {
	return libraryResolver{
		QueryCache: l,
		stranger:   addr == UnlikelySender,
	}.checkHost(ctx, addr, helo, sender)
}

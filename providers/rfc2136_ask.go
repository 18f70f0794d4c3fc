package providers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
)

// exchange sends a signed message over TCP and returns the verified reply. The error
// names the server and says what to do. A reply's code is the caller's to judge.
func (b *rfc2136Backend) exchange(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	m.SetTsig(b.keyName, b.keyAlg, 300, time.Now().Unix())
	client := &dns.Client{Net: "tcp", Timeout: b.timeout, TsigSecret: map[string]string{b.keyName: b.key}}
	reply, err := exchange(ctx, client, m, b.server)
	if reply != nil {
		if sig := reply.IsTsig(); sig != nil && sig.Error != dns.RcodeSuccess {
			return nil, b.keyError(sig.Error)
		}
	}
	switch {
	case errors.Is(err, dns.ErrSig), errors.Is(err, dns.ErrAuth), errors.Is(err, dns.ErrTime):
		return nil, fmt.Errorf("server %s: its reply is not signed with key %q (%w): something between here and there answers in its place",
			b.server, b.keyName, err)
	case err != nil:
		return nil, fmt.Errorf("server %s does not answer: %w; check the address, and that TCP port 53 of it is reachable from here",
			b.server, err)
	}
	return reply, nil
}

// exchange is dns.Client.ExchangeContext, but it also ends when ctx is cancelled.
func exchange(ctx context.Context, client *dns.Client, m *dns.Msg, server string) (*dns.Msg, error) {
	conn, err := client.DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	reply, _, err := client.ExchangeWithConnContext(ctx, m, conn)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return reply, err
}

// keyError explains the TSIG error of a refusal (RFC 8945 section 5.2).
func (b *rfc2136Backend) keyError(code uint16) error {
	alg := strings.TrimSuffix(b.keyAlg, ".")
	switch code {
	case dns.RcodeBadKey:
		return fmt.Errorf("server %s does not know key %q with %s: compare key_name and key_alg with the server's key",
			b.server, b.keyName, alg)
	case dns.RcodeBadSig:
		return fmt.Errorf("server %s knows key %q, but not with this secret: compare key and key_alg (%s) with the server's",
			b.server, b.keyName, alg)
	case dns.RcodeBadTime:
		return fmt.Errorf("server %s says that the clocks are more than 5 minutes apart: set the time here or there", b.server)
	}
	return fmt.Errorf("server %s rejects key %q: %s", b.server, b.keyName, dns.RcodeToString[int(code)])
}

// updateError explains the reply to an update (RFC 2136 section 2.2).
func (b *rfc2136Backend) updateError(code int) error {
	switch code {
	case dns.RcodeSuccess:
		return nil
	case dns.RcodeNXRrset, dns.RcodeYXRrset, dns.RcodeYXDomain, dns.RcodeNameError:
		return fmt.Errorf("server %s: %w: a record was changed between reading and writing", b.server, plan.ErrStale)
	case dns.RcodeRefused:
		return fmt.Errorf("server %s refuses the update: allow key %q to update zone %s (BIND: allow-update or update-policy); "+
			"where that is so already, the server's log tells which record it objects to", b.server, b.keyName, b.zone)
	case dns.RcodeNotAuth:
		return fmt.Errorf("server %s is not authoritative for zone %s: give the zone's primary server", b.server, b.zone)
	case dns.RcodeNotImplemented:
		return fmt.Errorf("server %s does not do dynamic updates", b.server)
	case dns.RcodeServerFailure:
		return fmt.Errorf("server %s could not carry out the update (SERVFAIL): its log says why, often a zone file or journal it may not write", b.server)
	}
	return fmt.Errorf("server %s answers the update with %s", b.server, dns.RcodeToString[code])
}

// diagnose finds out why nothing can be had from the server, by a signed query for the
// zone's SOA. Nil means that the server, the key and the zone are all in order.
func (b *rfc2136Backend) diagnose(ctx context.Context) error {
	reply, err := b.exchange(ctx, new(dns.Msg).SetQuestion(b.zone, dns.TypeSOA))
	if err != nil {
		return err
	}
	if len(pick(reply.Answer, rrset{b.zone, "SOA"})) == 0 || !reply.Authoritative {
		return fmt.Errorf("server %s is not authoritative for zone %s (%s): check the zone's name, and give its primary server",
			b.server, b.zone, dns.RcodeToString[reply.Rcode])
	}
	return nil
}

// exact returns an RRset as the server holds it.
func (b *rfc2136Backend) exact(ctx context.Context, set rrset) ([]dns.RR, error) {
	reply, err := b.exchange(ctx, question(set))
	if err != nil {
		return nil, err
	}
	switch {
	case reply.Rcode == dns.RcodeNameError:
		return nil, nil
	case reply.Rcode != dns.RcodeSuccess:
		return nil, fmt.Errorf("server %s answers the question for %s with %s", b.server, set, dns.RcodeToString[reply.Rcode])
	}
	return pick(reply.Answer, set), nil
}

func question(set rrset) *dns.Msg {
	m := new(dns.Msg).SetQuestion(set.name, dns.StringToType[set.rrtype])
	m.RecursionDesired = false
	return m
}

// pick returns the records of an RRset, leaving out what a CNAME led to.
func pick(rrs []dns.RR, set rrset) (out []dns.RR) {
	for _, rr := range rrs {
		if h := rr.Header(); plan.FQDN(h.Name) == set.name && h.Rrtype == dns.StringToType[set.rrtype] {
			out = append(out, rr)
		}
	}
	return out
}

// ask lists RRsets by asking for each. An answer made from a wildcard looks like a record
// of its own; where it may be one, the RRset is unknown.
func (b *rfc2136Backend) ask(ctx context.Context, sets []rrset) (listing, error) {
	l := newListing()
	done := map[rrset]bool{}
	for _, set := range sets {
		for _, s := range []rrset{set, {set.name, "CNAME"}} {
			if done[s] {
				continue
			}
			done[s] = true
			rrs, err := b.exact(ctx, s)
			if err != nil {
				return listing{}, err
			}
			for _, r := range fromRRs(rrs) {
				l.add(r)
			}
			if wild, err := b.wildcard(ctx, s, l.sets[s]); err != nil {
				return listing{}, err
			} else if wild != "" {
				l.unknown[set] = fmt.Sprintf("the wildcard %s answers for it, and server %s refuses a zone transfer, "+
					"which would show what is really there: allow key %q to transfer zone %s", wild, b.server, b.keyName, b.zone)
			}
		}
	}
	return l, nil
}

// wildcard returns the name of a wildcard that may have made rs (RFC 4592): one with
// the same data above the name.
func (b *rfc2136Backend) wildcard(ctx context.Context, set rrset, rs []record) (string, error) {
	if len(rs) == 0 || strings.HasPrefix(set.name, "*.") {
		return "", nil
	}
	for name := set.name; name != b.zone; {
		_, name, _ = strings.Cut(name, ".")
		wild := rrset{"*." + name, set.rrtype}
		rrs, err := b.exact(ctx, wild)
		if err != nil {
			return "", err
		}
		same := fromRRs(rrs)
		for i := range same {
			same[i].name = set.name
		}
		if len(same) > 0 && plan.EqualLines(lines(same), lines(rs)) {
			return wild.name, nil
		}
	}
	return "", nil
}

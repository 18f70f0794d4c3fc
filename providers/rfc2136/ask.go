package rfc2136

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/sockerr"
	"github.com/mailpub/mailpub/plan/trace"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
)

// exchange sends a signed message over TCP and returns the verified reply. The error
// names the server and says what to do. A reply's code is the caller's to judge. What is to
// be sent once is never sent again, whatever becomes of it.
func (b *backend) exchange(ctx context.Context, m *dns.Msg, once bool) (*dns.Msg, error) {
	end := trace.Start(ctx, "dns", b.server.addr, b.messageText(m))
	if trace.Observed(ctx) {
		trace.Wire(ctx, "dns", b.server.addr, trace.Sent, m.String())
	}

	reply, err := b.exchangeSigned(ctx, m, once)
	end(err)
	if reply != nil && trace.Observed(ctx) {
		trace.Wire(ctx, "dns", b.server.addr, trace.Received, reply.String())
	}

	return reply, err
}

// messageText is a question or an update on one line.
func (b *backend) messageText(m *dns.Msg) string {
	if m.Opcode == dns.OpcodeUpdate || len(m.Question) == 0 {
		return fmt.Sprintf("%s %s, %d records", dns.OpcodeToString[m.Opcode], b.zone, len(m.Ns))
	}
	return m.Question[0].Name + " " + dns.Type(m.Question[0].Qtype).String()
}

func (b *backend) exchangeSigned(ctx context.Context, m *dns.Msg, once bool) (*dns.Msg, error) {
	if _, err := b.server.acquire(ctx); err != nil {
		return nil, b.unreachable(err)
	}

	var reply *dns.Msg
	err := b.server.withConn(ctx, b.timeout, once, func(c *tcpConn) error {
		mac, err := c.send(m, b.key, b.timeout)
		if err != nil {
			return err
		}

		msg, err := c.receive(b.timeout)
		if err != nil {
			return err
		}

		reply = new(dns.Msg)
		if err := reply.Unpack(msg); err != nil {
			return err
		}
		if reply.Id != m.Id {
			return dns.ErrId
		}

		return dns.TsigVerify(msg, b.key.secret, mac, false)
	})

	if reply == nil {
		b.server.release(outcomeOf(err), b.unreachable(err))
		return nil, b.unreachable(err)
	}

	b.server.release(answered, nil)
	if sig := reply.IsTsig(); sig != nil && sig.Error != dns.RcodeSuccess {
		return nil, b.keyError(sig.Error)
	}
	if err != nil {
		return nil, fmt.Errorf("server %s: its reply is not signed with key %q (%w): something between here and there answers in its place",
			b.server.addr, b.key.name, err)
	}

	return reply, nil
}

// unreachable explains an error of the network.
func (b *backend) unreachable(err error) error {
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.As(err, new(unreachable)):
		return err
	case outcomeOf(err) != fellSilent:
		return sockerr.Plain(fmt.Errorf("server %s: %w", b.server.addr, err))
	}
	return unreachable{b.server.addr, err}
}

type unreachable struct {
	server string
	err    error
}

func (u unreachable) Error() string {
	why := sockerr.Plain(fmt.Errorf("server %s does not answer: %w", u.server, u.err))
	return why.Error() + "; check the address, and that its TCP port is reachable from here"
}

func (u unreachable) Unwrap() error { return u.err }

// keyError explains the TSIG error of a refusal (RFC 8945 section 5.2).
func (b *backend) keyError(code uint16) error {
	alg := strings.TrimSuffix(b.key.alg, ".")
	switch code {
	case dns.RcodeBadKey:
		return fmt.Errorf("server %s does not know key %q with %s: compare key_name and key_alg with the server's key",
			b.server.addr, b.key.name, alg)
	case dns.RcodeBadSig:
		return fmt.Errorf("server %s knows key %q, but not with this secret: compare key and key_alg (%s) with the server's",
			b.server.addr, b.key.name, alg)
	case dns.RcodeBadTime:
		return fmt.Errorf("server %s says that the clocks are more than 5 minutes apart: set the time here or there",
			b.server.addr)
	}

	return fmt.Errorf("server %s rejects key %q: %s", b.server.addr, b.key.name,
		dns.RcodeToString[int(code)])
}

// updateError explains the reply to an update (RFC 2136 section 2.2).
func (b *backend) updateError(code int) error {
	switch code {
	case dns.RcodeSuccess:
		return nil
	case dns.RcodeNXRrset, dns.RcodeYXRrset, dns.RcodeYXDomain, dns.RcodeNameError:
		return fmt.Errorf("server %s: %w: a record was changed between reading and writing",
			b.server.addr, plan.ErrStale)
	case dns.RcodeRefused:
		return fmt.Errorf("server %s refuses the update: allow key %q to update zone %s (BIND: allow-update or update-policy); "+
			"where that is so already, the server's log tells which record it objects to",
			b.server.addr, b.key.name, b.zone)
	case dns.RcodeNotAuth:
		return fmt.Errorf("server %s is not authoritative for zone %s: give the zone's primary server",
			b.server.addr, b.zone)
	case dns.RcodeNotImplemented:
		return fmt.Errorf("server %s does not do dynamic updates", b.server.addr)
	case dns.RcodeServerFailure:
		return fmt.Errorf("server %s could not carry out the update (SERVFAIL): its log says why, often a zone file or journal it may not write",
			b.server.addr)
	}

	return fmt.Errorf("server %s answers the update with %s", b.server.addr,
		dns.RcodeToString[code])
}

// diagnose finds out why nothing can be had from the server, by a signed query for the
// zone's SOA. Nil means that the server, the key and the zone are all in order.
func (b *backend) diagnose(ctx context.Context) error {
	reply, err := b.exchange(ctx, new(dns.Msg).SetQuestion(b.zone, dns.TypeSOA), false)
	if err != nil {
		return err
	}
	if len(record.Pick(reply.Answer, record.RRset{
		Name: b.zone,
		Type: "SOA",
	})) == 0 || !reply.Authoritative {
		return fmt.Errorf("server %s is not authoritative for zone %s (%s): check the zone's name, and give its primary server",
			b.server.addr, b.zone, dns.RcodeToString[reply.Rcode])
	}

	return nil
}

// exact returns an RRset as the server holds it.
func (b *backend) exact(ctx context.Context, set record.RRset) ([]dns.RR, error) {
	reply, err := b.exchange(ctx, question(set), false)
	if err != nil {
		return nil, err
	}

	switch {
	case reply.Rcode == dns.RcodeNameError:
		return nil, nil
	case reply.Rcode != dns.RcodeSuccess:
		return nil, fmt.Errorf("server %s answers the question for %s with %s", b.server.addr,
			set, dns.RcodeToString[reply.Rcode])
	}

	if ns := referred(reply, b.zone); ns != nil {
		return ns, nil
	}

	return record.Pick(reply.Answer, set), nil
}

// referred returns the NS records of a delegation below the zone, where a reply is one: the name is
// not served by the zone.
func referred(reply *dns.Msg, zone string) (ns []dns.RR) {
	if reply.Authoritative || len(reply.Answer) > 0 {
		return nil
	}

	for _, rr := range reply.Ns {
		if rr.Header().Rrtype == dns.TypeNS && mail.FQDN(rr.Header().Name) != zone {
			ns = append(ns, rr)
		}
	}

	return ns
}

func question(set record.RRset) *dns.Msg {
	m := new(dns.Msg).SetQuestion(set.Name, dns.StringToType[set.Type])
	m.RecursionDesired = false
	return m
}

// ask lists RRsets by asking for each, a few at a time. An answer made from a wildcard looks
// like a record of its own; where it may be one, the RRset is unknown.
func (b *backend) ask(ctx context.Context, sets []record.RRset) (zone.Listing, error) {
	at := map[string][]record.RRset{} // what was asked for at each name
	for _, set := range sets {
		at[set.Name] = append(at[set.Name], set)
	}

	var questions []record.RRset
	for name, own := range at {
		questions = append(questions, own...)
		if alias := (record.RRset{Name: name, Type: "CNAME"}); !slices.Contains(own, alias) {
			questions = append(questions, alias)
		}
	}

	l := zone.NewListing()
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(mostAtOnce)

	for _, set := range questions {
		group.Go(func() error {
			rrs, err := b.exact(ctx, set)
			if err != nil {
				return err
			}

			found := record.FromRRs(rrs)
			if len(found) > 0 && found[0].RRset != set { // of a zone below
				mu.Lock()
				defer mu.Unlock()

				for _, r := range found {
					if !record.HoldsData(l.Sets[r.RRset], r) {
						l.Add(r)
					}
				}

				return nil
			}

			wild, err := b.wildcard(ctx, set, found)
			if err != nil {
				return err
			}

			mu.Lock()
			defer mu.Unlock()

			for _, r := range found {
				l.Add(r)
			}

			if wild == "" {
				return nil
			}

			hidden := []record.RRset{set}
			if set.Type == "CNAME" {
				hidden = at[set.Name]
			}

			for _, h := range hidden {
				l.Unknown[h] = fmt.Sprintf("the wildcard %s answers for it, and server %s refuses a zone transfer, "+
					"which would show what is really there: allow key %q to transfer zone %s",
					wild, b.server.addr, b.key.name, b.zone)
			}

			return nil
		})
	}

	return l, group.Wait()
}

// wildcard returns the name of a wildcard that may have made rs (RFC 4592): one with
// the same data above the name.
func (b *backend) wildcard(ctx context.Context, set record.RRset, rs []record.Record) (string, error) {
	if len(rs) == 0 || strings.HasPrefix(set.Name, "*.") {
		return "", nil
	}

	for name := set.Name; name != b.zone; {
		_, name, _ = strings.Cut(name, ".")
		wild := record.RRset{Name: "*." + name, Type: set.Type}
		rrs, err := b.exact(ctx, wild)
		if err != nil {
			return "", err
		}

		same := record.FromRRs(rrs)
		for i := range same {
			same[i].Name = set.Name
		}

		if len(same) > 0 && plan.EqualLines(record.Lines(same), record.Lines(rs)) {
			return wild.Name, nil
		}
	}

	return "", nil
}

package servertest

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// World is a small Internet of name servers on loopback, all at one port: authoritative servers with
// their zones, delegations between them, and a resolver that goes from the root downwards.
type World struct {
	// Servers are the zones of each address ("127.0.0.11"), by name with the final dot, as zone
	// files. One must have the root.
	Servers map[string]map[string]string
	// Inner are zones that the resolver serves itself.
	Inner map[string]string
	// Silent are names whose questions the resolver, like any server that has them, leaves
	// unanswered.
	Silent []string

	Root string // address of the root's server, set by Start
	Port string // of all, set by Start
}

// ResolverAddress is where the resolver of a World is.
const ResolverAddress = "127.0.0.10"

// Start runs the servers and returns the resolver's address, host:port.
func (w *World) Start(t *testing.T) (resolver string) {
	t.Helper()
	parsed := map[string]map[string]*zoneData{}
	for addr, zones := range w.Servers {
		parsed[addr] = map[string]*zoneData{}
		for name, text := range zones {
			parsed[addr][name] = parseZone(t, name, text)
			if name == "." {
				w.Root = addr
			}
		}
	}

	inner := map[string]*zoneData{}
	for name, text := range w.Inner {
		inner[name] = parseZone(t, name, text)
	}

	handlers := map[string]dns.HandlerFunc{ResolverAddress: w.resolve(parsed, inner)}
	for addr, zones := range parsed {
		handlers[addr] = w.serve(zones)
	}

	w.Port = listenAll(t, handlers)
	return net.JoinHostPort(ResolverAddress, w.Port)
}

// zoneData is a zone, its records by name.
type zoneData struct {
	apex  string
	names map[string][]dns.RR
}

func parseZone(t *testing.T, apex, text string) *zoneData {
	t.Helper()
	z := &zoneData{apex: apex, names: map[string][]dns.RR{}}
	parser := dns.NewZoneParser(strings.NewReader("$TTL 300\n"+text), apex, "")

	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		name := strings.ToLower(rr.Header().Name)
		z.names[name] = append(z.names[name], rr)
	}

	if err := parser.Err(); err != nil {
		t.Fatalf("zone %s: %v", apex, err)
	}

	return z
}

func (z *zoneData) find(name string, rrtype uint16) (out []dns.RR) {
	for _, rr := range z.names[name] {
		if rr.Header().Rrtype == rrtype {
			out = append(out, rr)
		}
	}
	return out
}

// answer fills in what an authoritative server says (RFC 1034 section 4.3.2).
func (z *zoneData) answer(reply *dns.Msg, name string, rrtype uint16) {
	reply.Authoritative = true
	for at := name; at != z.apex; at = parentOf(at) {
		if ns := z.find(at, dns.TypeNS); len(ns) > 0 && (at != name || rrtype != dns.TypeDS) {
			reply.Authoritative = len(reply.Answer) > 0
			reply.Ns = ns
			for _, rr := range ns {
				host := strings.ToLower(rr.(*dns.NS).Ns)
				reply.Extra = append(reply.Extra,
					slices.Concat(z.find(host, dns.TypeA), z.find(host, dns.TypeAAAA))...)
			}

			return
		}

		if d := z.find(at, dns.TypeDNAME); len(d) > 0 && at != name {
			target := strings.TrimSuffix(name, at) + strings.ToLower(d[0].(*dns.DNAME).Target)
			alias, _ := dns.NewRR(fmt.Sprintf("%s 300 CNAME %s", name, target))
			reply.Answer = append(reply.Answer, d[0], alias)
			z.chase(reply, target, rrtype)
			return
		}
	}

	rrs := z.find(name, rrtype)
	if alias := z.find(name, dns.TypeCNAME); len(alias) > 0 && rrtype != dns.TypeCNAME {
		reply.Answer = append(reply.Answer, alias...)
		z.chase(reply, strings.ToLower(alias[0].(*dns.CNAME).Target), rrtype)
		return
	}

	if !z.exists(name) {
		if wild := z.wildcard(name); wild != "" {
			for _, rr := range z.find(wild, rrtype) {
				rr = dns.Copy(rr)
				rr.Header().Name = name
				rrs = append(rrs, rr)
			}
		} else {
			reply.Rcode = dns.RcodeNameError
		}
	}

	reply.Answer = append(reply.Answer, rrs...)
	if len(rrs) == 0 {
		reply.Ns = z.find(z.apex, dns.TypeSOA)
	}
}

func (z *zoneData) chase(reply *dns.Msg, target string, rrtype uint16) {
	if dns.IsSubDomain(z.apex, target) && len(reply.Answer) < 10 {
		z.answer(reply, target, rrtype)
	}
}

func (z *zoneData) exists(name string) bool {
	for n := range z.names {
		if dns.IsSubDomain(name, n) {
			return true
		}
	}
	return false
}

func (z *zoneData) wildcard(name string) string {
	for at := parentOf(name); ; at = parentOf(at) {
		if len(z.names["*."+at]) > 0 {
			return "*." + at
		}
		if at == z.apex || z.exists(at) {
			return ""
		}
	}
}

func parentOf(name string) string {
	_, parent, _ := strings.Cut(name, ".")
	if parent == "" {
		return "."
	}
	return parent
}

// closest returns the zone that is nearest above a name, or nil.
func closest(zones map[string]*zoneData, name string) (best *zoneData) {
	for apex, z := range zones {
		if dns.IsSubDomain(apex, name) && (best == nil || len(apex) > len(best.apex)) {
			best = z
		}
	}
	return best
}

func (w *World) serve(zones map[string]*zoneData) dns.HandlerFunc {
	return func(out dns.ResponseWriter, m *dns.Msg) {
		q := m.Question[0]
		name := strings.ToLower(q.Name)
		if slices.Contains(w.Silent, name) {
			return
		}

		reply := new(dns.Msg).SetReply(m)
		if z := closest(zones, name); z != nil {
			z.answer(reply, name, q.Qtype)
		} else {
			reply.Rcode = dns.RcodeRefused
		}

		out.WriteMsg(reply)
	}
}

func (w *World) resolve(servers map[string]map[string]*zoneData, inner map[string]*zoneData) dns.HandlerFunc {
	return func(out dns.ResponseWriter, m *dns.Msg) {
		q := m.Question[0]
		name := strings.ToLower(q.Name)
		if slices.Contains(w.Silent, name) {
			return
		}

		reply := new(dns.Msg).SetReply(m)
		reply.RecursionAvailable = true
		for range 10 {
			step := w.lookup(servers, inner, name, q.Qtype)
			reply.Rcode = step.Rcode
			reply.Answer = append(reply.Answer, step.Answer...)
			last := lastAlias(step.Answer, name)

			if last == name || len(step.Answer) == 0 ||
				step.Answer[len(step.Answer)-1].Header().Rrtype == q.Qtype {
				break
			}

			name = last
		}

		out.WriteMsg(reply)
	}
}

func lastAlias(rrs []dns.RR, name string) string {
	for _, rr := range rrs {
		if alias, ok := rr.(*dns.CNAME); ok {
			name = strings.ToLower(alias.Target)
		}
	}
	return name
}

// lookup asks from the root downwards.
func (w *World) lookup(servers map[string]map[string]*zoneData, inner map[string]*zoneData, name string, rrtype uint16) *dns.Msg {
	if z := closest(inner, name); z != nil {
		reply := new(dns.Msg)
		z.answer(reply, name, rrtype)
		return reply
	}

	addr := w.Root
	for range 10 {
		reply := new(dns.Msg)
		z := closest(servers[addr], name)
		if z == nil {
			reply.Rcode = dns.RcodeServerFailure
			return reply
		}

		z.answer(reply, name, rrtype)
		if len(reply.Answer) > 0 || reply.Authoritative || len(reply.Ns) == 0 {
			return reply
		}

		addr = w.addressOf(servers, inner, reply)
	}

	return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeServerFailure}}
}

func (w *World) addressOf(servers map[string]map[string]*zoneData, inner map[string]*zoneData, referral *dns.Msg) string {
	for _, rr := range referral.Extra {
		if a, ok := rr.(*dns.A); ok {
			return a.A.String()
		}
	}

	for _, rr := range referral.Ns {
		host := strings.ToLower(rr.(*dns.NS).Ns)
		for _, rr := range w.lookup(servers, inner, host, dns.TypeA).Answer {
			if a, ok := rr.(*dns.A); ok {
				return a.A.String()
			}
		}
	}

	return ""
}

// listenAll runs a server at each address, all at one port.
func listenAll(t *testing.T, handlers map[string]dns.HandlerFunc) (port string) {
	t.Helper()
	for range 20 {
		var servers []*dns.Server
		port = fmt.Sprint(FreePort(t))
		ok := true

		for addr, handle := range handlers {
			at := net.JoinHostPort(addr, port)
			l, err := net.Listen("tcp", at)
			if err != nil {
				ok = false
				break
			}

			servers = append(servers, &dns.Server{Listener: l, Handler: handle})
			p, err := net.ListenPacket("udp", at)
			if err != nil {
				ok = false
				break
			}

			servers = append(servers, &dns.Server{PacketConn: p, Handler: handle})
		}

		if !ok {
			for _, s := range servers {
				if s.Listener != nil {
					s.Listener.Close()
				} else {
					s.PacketConn.Close()
				}
			}

			continue
		}

		var running sync.WaitGroup
		for _, s := range servers {
			ready := make(chan struct{})
			s.NotifyStartedFunc = func() { close(ready) }
			running.Go(func() { s.ActivateAndServe() })
			<-ready
		}

		t.Cleanup(func() {
			for _, s := range servers {
				s.Shutdown()
			}
			running.Wait()
		})

		return port
	}

	t.Fatal("no port is free at every address")
	return ""
}

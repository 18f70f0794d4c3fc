package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/sockerr"
	"github.com/mailpub/mailpub/plan/trace"
	"github.com/mailpub/mailpub/providers/record"
)

// Resolver asks name servers. The zero value asks the system's. It caches nothing, so
// what it says is what the server says now. Methods may be called concurrently.
type Resolver struct {
	// Servers are asked in turn until one answers: host or host:port (port 53).
	Servers []string
	// Timeout is the time one server has for one reply; zero is 2 s.
	Timeout time.Duration
	// Attempts is how often each server is asked over UDP; zero is 2.
	Attempts int
	// Shared is what the resolver has in common with others; nil: nothing.
	Shared *QuestionPool

	kept sockets
}

// Answer is what a name server says. That it could not say is an error instead, never
// an empty Answer.
type Answer struct {
	Status  Status
	Records []Record // of the type asked for; empty unless Status is Found
	Chain   []string // names that CNAMEs led through, the last one's owning Records
	Server  string   // host:port that answered
	// Authoritative says that the server holds the zone itself.
	Authoritative bool

	reply *dns.Msg
}

// Size is the length of the reply in octets, without EDNS.
func (a Answer) Size() int {
	if a.reply == nil {
		return 0
	}
	bare := *a.reply
	bare.Extra = nil
	bare.Compress = true
	return bare.Len()
}

// Record is one record of an Answer.
type Record struct {
	Name string // absolute, lower case
	Data string // canonical text, see package plan
	TTL  int    // seconds; at a resolver, what is left
}

// Status says what there is at a name.
type Status int

const (
	Found  Status = iota
	NoData        // the name exists, without such records
	NoName        // the name does not exist (NXDOMAIN, RFC 8020)
)

func (s Status) String() string {
	switch s {
	case Found:
		return "found"
	case NoData:
		return "no such record"
	}
	return "no such name"
}

// ServerError says that a server gave no usable reply: what is asked for is unknown.
type ServerError struct {
	Server string // host:port
	Err    error
}

func (e ServerError) Error() string {
	return sockerr.Plain(fmt.Errorf("name server %s: %w", e.Server, e.Err)).Error()
}
func (e ServerError) Unwrap() error { return e.Err }

// Data returns the records' data in the server's order.
func (a Answer) Data() []string {
	out := make([]string, len(a.Records))
	for i, r := range a.Records {
		out[i] = r.Data
	}
	return out
}

// Lookup asks the Resolver's servers for records of a type ("MX") and returns the first
// answer. The error joins what every server had against it.
func (r *Resolver) Lookup(ctx context.Context, name, rrtype string) (Answer, error) {
	servers, err := r.ServerAddrs()
	if err != nil {
		return Answer{}, err
	}

	var errs []error
	for _, s := range servers {
		a, err := r.Query(ctx, s, name, rrtype, true)
		if err == nil {
			return a, nil
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}

	return Answer{}, JoinErrors(errs)
}

// Ask asks one server, host or host:port, for what it holds itself: it is not to ask
// others in turn.
func (r *Resolver) Ask(ctx context.Context, server, name, rrtype string) (Answer, error) {
	addr, err := HostPort(server)
	if err != nil {
		return Answer{}, err
	}
	return r.Query(ctx, addr, name, rrtype, false)
}

// Addresses returns the A and AAAA records of a host; none when it has none.
func (r *Resolver) Addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, t := range []string{"A", "AAAA"} {
		a, err := r.Lookup(ctx, host, t)
		if err != nil {
			return nil, err
		}
		out = append(out, a.Addresses()...)
	}

	return out, nil
}

func (a Answer) Addresses() (out []netip.Addr) {
	for _, r := range a.Records {
		if addr, err := netip.ParseAddr(r.Data); err == nil {
			out = append(out, addr)
		}
	}
	return out
}

func (r *Resolver) ServerAddrs() ([]string, error) {
	servers := r.Servers
	if len(servers) == 0 {
		var err error
		if servers, err = systemServers(); err != nil {
			return nil, fmt.Errorf("the system's name servers: %w", err)
		}
	}

	out := make([]string, len(servers))
	for i, s := range servers {
		var err error
		if out[i], err = HostPort(s); err != nil {
			return nil, err
		}
	}

	return out, nil
}

func (r *Resolver) Query(ctx context.Context, server, name, rrtype string, recurse bool) (Answer, error) {
	qtype, ok := dns.StringToType[rrtype]
	if !ok {
		return Answer{}, fmt.Errorf("%q is no record type", rrtype)
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return Answer{}, fmt.Errorf("%q is no domain name", name)
	}

	name = Canonical(name)
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.RecursionDesired = recurse
	m.SetEdns0(1232, false) // fits where fragments are dropped (RFC 9715 section 3)
	reply, err := r.Exchange(ctx, m, server)
	if err != nil {
		return Answer{}, ServerError{server, err}
	}

	a, err := AnswerOf(reply, name, qtype)
	if err != nil {
		return Answer{}, ServerError{server, err}
	}

	a.Server = server
	return a, nil
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

// Exchange asks a server. It tells an observer of the question (see trace).
func (r *Resolver) Exchange(ctx context.Context, m *dns.Msg, server string) (*dns.Msg, error) {
	end := trace.Start(ctx, "dns", server, questionText(m))
	reply, err := r.ask(ctx, m, server)
	end(err)

	if reply != nil && trace.Observed(ctx) {
		trace.Wire(ctx, "dns", server, trace.Received, reply.String())
	}

	return reply, err
}

// questionText is what a message asks, on one line.
func questionText(m *dns.Msg) string {
	if len(m.Question) == 0 {
		return dns.OpcodeToString[m.Opcode]
	}
	return m.Question[0].Name + " " + dns.Type(m.Question[0].Qtype).String()
}

// ask asks over UDP, again when there is no reply, and over TCP when the reply was
// cut off (RFC 7766 section 5). A server that stumbles over EDNS is asked without
// (RFC 6891 section 7).
func (r *Resolver) ask(ctx context.Context, m *dns.Msg, server string) (*dns.Msg, error) {
	timeout := r.Timeout
	attempts := r.Attempts
	if timeout == 0 {
		timeout = 2 * time.Second
	}

	if attempts == 0 {
		attempts = 2
	}

	silent := func(reply *dns.Msg, err error) (*dns.Msg, error) {
		if errors.Is(err, context.DeadlineExceeded) || sockerr.Timeout(err) {
			err = TimeoutError(timeout)
		}
		return reply, err
	}

	var reply *dns.Msg
	var err error
	for range attempts {
		reply, err = silent(r.udp(ctx, m, server, timeout))
		if err == nil || ctx.Err() != nil {
			break
		}
	}

	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	case (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeBadVers) &&
		m.IsEdns0() != nil:
		m.Extra = nil
		return r.ask(ctx, m, server)
	case reply.Truncated:
		ctx, cancel := context.WithTimeout(r.operatorContext(ctx, server), timeout)
		defer cancel()
		return silent(exchange(ctx, tcpClient(timeout), m, server))
	}

	return reply, nil
}

func tcpClient(timeout time.Duration) *dns.Client {
	return &dns.Client{
		Net:     "tcp",
		Timeout: timeout,
		Dialer:  &net.Dialer{Timeout: timeout, ControlContext: egress.Control},
	}
}

// operatorContext returns a context without a limit for the system's name servers, if the Resolver uses
// them: they are the choice of the machine's operator, and often at an address of the own network.
func (r *Resolver) operatorContext(ctx context.Context, server string) context.Context {
	if len(r.Servers) > 0 || !egress.Limited(ctx) {
		return ctx
	}

	system, err := r.ServerAddrs()
	if err != nil || !slices.Contains(system, server) {
		return ctx
	}

	return egress.Without(ctx)
}

// TimeoutError is the error of a server that did not reply in time.
type TimeoutError time.Duration

func (s TimeoutError) Error() string {
	return fmt.Sprintf("no reply within %v",
		time.Duration(s))
}

// Canonical is an absolute name as replies have it: octets can be escaped in several ways.
func Canonical(name string) string {
	if name = mail.FQDN(name); strings.Trim(name,
		"abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" {
		return name
	}

	var wire [256]byte
	if n, err := dns.PackDomainName(mail.FQDN(name), wire[:], 0, nil, false); err == nil {
		if same, _, err := dns.UnpackDomainName(wire[:n], 0); err == nil {
			return mail.FQDN(same)
		}
	}

	return mail.FQDN(name)
}

// rcodeName is the name of a reply's code. 16 is BADSIG in a signed reply and BADVERS in any other
// (RFC 6891 section 9).
func rcodeName(reply *dns.Msg) string {
	if reply.Rcode == dns.RcodeBadVers && reply.IsTsig() == nil {
		return "BADVERS"
	}
	return dns.RcodeToString[reply.Rcode]
}

// AnswerOf makes out what a reply says. REFUSED, SERVFAIL and referrals say nothing.
func AnswerOf(reply *dns.Msg, name string, qtype uint16) (Answer, error) {
	a := Answer{Authoritative: reply.Authoritative, reply: reply}
	if q := reply.Question; len(q) != 1 || mail.FQDN(q[0].Name) != name || q[0].Qtype != qtype {
		return a, errors.New("the reply is to another question") // RFC 5452 section 9.1
	}

	switch reply.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	default:
		return a, errors.New(rcodeName(reply))
	}

	for range len(reply.Answer) {
		alias := record.Pick(reply.Answer, record.RRset{Name: name, Type: "CNAME"})
		if len(alias) == 0 || qtype == dns.TypeCNAME {
			break
		}
		name = mail.FQDN(alias[0].(*dns.CNAME).Target)
		a.Chain = append(a.Chain, name)
	}

	for _, rr := range record.Pick(reply.Answer, record.RRset{
		Name: name,
		Type: dns.TypeToString[qtype],
	}) {
		c := record.FromRR(rr)
		a.Records = append(a.Records, Record{c.Name, c.Data, c.TTL})
	}

	switch {
	case len(a.Records) > 0:
	case reply.Rcode == dns.RcodeNameError:
		a.Status = NoName
	case !reply.Authoritative && !reply.RecursionAvailable && len(a.Chain) == 0:
		if referral, ok := referralIn(reply); ok {
			return a, referral
		}
		return a, errors.New("it is not authoritative for the name and does not resolve it")
	default:
		a.Status = NoData
	}

	return a, nil
}

// Texts returns the texts of an answer's TXT records.
func (a Answer) Texts() (texts []string) {
	for _, r := range a.Records {
		if t, err := mail.Text(r.Data); err == nil {
			texts = append(texts, t)
		}
	}
	return texts
}

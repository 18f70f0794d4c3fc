package check

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/egress"
)

// ExternalTarget is what somebody elsewhere needs to know to check a mail server.
type ExternalTarget struct {
	Target   netip.Addr
	Hostname string    // of the mail host, without a final dot
	Domains  []string  // whose mail goes there, without final dots
	Ports    []Service // that are to be open: the name and ":PORT" at Target

	Dial smtpclient.Dial  // nil dials
	Now  func() time.Time // default time.Now
}

// undeclaredPorts are ports of mail and of administration that should not be open to the world unless
// the config says so. From the services' own registrations (IANA).
func undeclaredPorts() map[string]string {
	return map[string]string{
		"25": "smtp", "110": "pop3", "143": "imap", "465": "submissions", "587": "submission",
		"993": "imaps", "995": "pop3s",
		"444": "MDaemon XML API", "1000": "MDaemon WebAdmin", "3000": "MDaemon WorldClient",
		"4190": "managesieve",
		"22":   "ssh", "23": "telnet", "445": "smb", "3306": "mysql", "3389": "remote desktop",
		"5432": "postgresql", "5900": "vnc", "8080": "http",
	}
}

// portTimeout is how long a connection from outside may take. A firewall that drops says nothing.
const portTimeout = 5 * time.Second

// CheckOutside checks a mail server as a stranger meets it: its ports, and in their names the
// rules that only a stranger can try. Of SMTP it says nothing where port 25 is not among Ports.
func CheckExternal(ctx context.Context, o ExternalTarget) []plan.Check {
	if o.Dial == nil {
		o.Dial = egress.Dialer().DialContext
	}

	if o.Now == nil {
		o.Now = time.Now
	}

	checks := append(o.declared(ctx), o.others(ctx)...)
	smtp := net.JoinHostPort(o.Target.String(), "25")
	for i, s := range o.Ports {
		if s.Addr != smtp || checks[i].Status != plan.Pass {
			continue
		}

		f := Facts{
			Hostname: o.Hostname,
			Addr:     smtp,
			Domains:  o.Domains,
			Closed:   true,
			Dial:     o.Dial,
			Now:      o.Now,
			pace:     new(serverPace),
		}

		runs := []func(context.Context) []plan.Check{f.banner, f.startsTLS}
		if len(o.Domains) > 0 {
			runs = append(runs, f.postmaster, f.abuse, f.relayOpen, f.relaySpoof,
				f.relaySender, f.relayRecipient)
		}

		for _, run := range runs { // one after the other: a server may count connections
			checks = append(checks, run(ctx)...)
		}
	}

	return checks
}

// declared checks each port that is to be open.
func (o ExternalTarget) declared(ctx context.Context) []plan.Check {
	out := make([]plan.Check, len(o.Ports))
	var wg sync.WaitGroup
	for i, s := range o.Ports {
		wg.Go(func() { out[i] = o.open(ctx, s) })
	}
	wg.Wait()
	return out
}

// greetings are how the protocols of mail begin to speak.
func greetings() map[string]string {
	return map[string]string{"25": "220", "587": "220", "110": "+OK", "143": "* "}
}

func (o ExternalTarget) open(ctx context.Context, s Service) plan.Check {
	_, port, _ := net.SplitHostPort(s.Addr)
	c := plan.Check{
		ID:      catalog.PortOutside,
		Subject: plan.OfService(s.Name, s.Addr),
		Status:  plan.Pass,
		Want:    "open",
		Ref:     "RFC 9293 section 3.5",
	}

	stepCtx, cancel := context.WithTimeout(ctx, portTimeout)
	defer cancel()

	conn, err := o.Dial(stepCtx, "tcp", s.Addr)
	if err != nil {
		c.Status = plan.Fail
		c.Got = smtpclient.RemoteErrorText(err)
		c.Hint = "it is not reached from outside: see router.forward and port.inside; where both pass, the provider or another router in front keeps it away"
		return c
	}

	defer conn.Close()

	begin, speaks := greetings()[port]
	if !speaks {
		c.Got = "open"
		return c
	}

	c.Want = "open, greeting with " + begin
	conn.SetReadDeadline(time.Now().Add(2 * portTimeout))
	buf := make([]byte, 512)
	n, err := conn.Read(buf)
	c.Got = strings.TrimSpace(strings.ToValidUTF8(string(buf[:n]), "?"))

	switch {
	case n == 0:
		c.Status = plan.Fail
		c.Got = "open, but nothing greets: " + smtpclient.ErrorText(err)
		c.Hint = "the forward reaches something that sends no greeting, or a proxy answers instead: see port.inside"
	case !strings.HasPrefix(c.Got, begin):
		c.Status = plan.Fail
		c.Hint = "another service answers there: check the target of the forward"
	case port == "25" && !strings.Contains(strings.ToLower(c.Got), strings.ToLower(o.Hostname)):
		c.Status = plan.Fail
		c.Hint = "another mail server answers: the router's own, a proxy of the provider, or the wrong host behind the forward"
	}

	return c
}

// others looks at ports that nobody declared. An open one is a warning.
func (o ExternalTarget) others(ctx context.Context) (out []plan.Check) {
	declared := map[string]bool{}
	for _, s := range o.Ports {
		_, port, _ := net.SplitHostPort(s.Addr)
		declared[port] = true
	}

	c := plan.Check{
		ID:      catalog.PortUndeclared,
		Subject: plan.OfAddr(o.Target.String()),
		Status:  plan.Pass,
		Want:    "no other port of mail or administration open",
		Ref:     "RFC 4949",
	}

	var mu sync.Mutex
	var wg sync.WaitGroup
	var open []string

	for port, name := range undeclaredPorts() {
		if declared[port] {
			continue
		}

		wg.Go(func() {
			stepCtx, cancel := context.WithTimeout(ctx, portTimeout)
			defer cancel()

			conn, err := o.Dial(stepCtx, "tcp", net.JoinHostPort(o.Target.String(), port))
			if err != nil {
				return
			}

			conn.Close()
			mu.Lock()
			defer mu.Unlock()

			open = append(open, port+" ("+name+")")
		})
	}

	wg.Wait()
	c.Got = "none"
	if len(open) > 0 {
		c.Status = plan.Warn
		c.Got = strings.Join(slices.Sorted(slices.Values(open)), ", ")
		c.Hint = "close what need not be reached from everywhere, or put it under router.forwards"
	}

	return append(out, c)
}

// startsTLS sees that STARTTLS is offered and works.
func (f Facts) startsTLS(ctx context.Context) []plan.Check {
	c := plan.Check{
		ID:      catalog.SMTPSTARTTLS,
		Subject: plan.OfAddr(f.Addr),
		Want:    "offered, and a handshake",
		Ref:     "RFC 3207",
	}

	d, err := smtpclient.Hello(ctx, f.Dial, f.Addr)
	if err != nil {
		return singleCheck(f.unreachable(c, err))
	}

	defer d.Close()

	state, err := d.StartTLS(ctx, f.Hostname)
	switch {
	case err == nil:
		c.Status = plan.Pass
		c.Got = tls.VersionName(state.Version)
	case err == smtpclient.ErrNoTLS:
		c.Status = plan.Warn
		c.Got = err.Error()
		c.Hint = "give the server a certificate: mail reaches it unencrypted (the bundled receiver: service.tls)"
	default:
		c.Status = plan.Fail
		c.Got = err.Error()
		c.Hint = "the server's log says why; many senders then do not deliver"
	}

	return singleCheck(c)
}

// Hop is one step of a message on its way.
type Hop struct {
	Name string `json:"name"` // "MX", "address", "TCP", "banner", "TLS", "MAIL", "RCPT", "DATA"
	OK   bool   `json:"ok"`
	Said string `json:"said"` // what was seen or answered
}

// Greylisted reports whether the message stopped here as its sender is new to the server.
func (h Hop) Greylisted() bool {
	return !h.OK && (h.Name == "MAIL" || h.Name == "RCPT" || h.Name == "DATA") &&
		strings.Contains(h.Said, " was answered 4") && Greylisted(h.Said)
}

// Send sends one message with a word that no other has to the postmaster of a domain, as a
// stranger's server does, once addr is known to be the right one. It returns the hops up to the
// first that failed.
func (o ExternalTarget) Send(ctx context.Context, domain, word string) []Hop {
	if o.Dial == nil {
		o.Dial = egress.Dialer().DialContext
	}

	if o.Now == nil {
		o.Now = time.Now
	}

	var hops []Hop
	hop := func(name, said string, err error) bool {
		if err != nil {
			said = smtpclient.RemoteErrorText(err)
		}
		hops = append(hops, Hop{name, err == nil, said})
		return err == nil
	}

	addr := net.JoinHostPort(o.Target.String(), "25")
	d, err := smtpclient.Connect(ctx, o.Dial, addr)
	if err != nil && smtpclient.IsDialError(err) {
		hop("TCP", "", err)
		return hops
	}

	hop("TCP", addr, nil)
	if err == nil {
		defer d.Close()
		if err = expect220(d.Greeting); err == nil {
			err = d.Greet(ctx)
		}
	}

	if err != nil {
		hop("banner", "", err)
		return hops
	}

	hop("banner", d.Greeting.String(), nil)
	switch state, err := d.StartTLS(ctx, o.Hostname); {
	case err == smtpclient.ErrNoTLS:
		hop("TLS", "not offered", nil)
	case err != nil:
		hop("TLS", "", err)
		return hops
	default:
		if !hop("TLS", tls.VersionName(state.Version), d.Greet(ctx)) {
			return hops
		}
	}

	f := Facts{Hostname: o.Hostname, Now: o.Now}
	to := "postmaster@" + domain
	step, r, err := d.Deliver(ctx, "<>", "<"+to+">", f.message(to, word))
	if err == nil && !r.Accepted() {
		err = fmt.Errorf("%s was answered %s", step, r)
	}

	name, _, _ := strings.Cut(step, " ")
	if name == "message" {
		name = "DATA"
	}

	for _, done := range []string{"MAIL", "RCPT"} {
		if done == name {
			break
		}
		hop(done, "accepted", nil)
	}

	hop(name, r.String(), err)
	return hops
}

// expect220 is nil if a greeting says that the server takes mail.
func expect220(greeting smtpclient.Reply) error {
	if greeting.Code != 220 {
		return fmt.Errorf("greeting is %s", greeting)
	}
	return nil
}

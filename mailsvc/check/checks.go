package check

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/egress"
)

// Checks returns the checks of the mail service. Each opens connections of its own.
func Checkers(f Facts) []plan.Checker {
	if f.Dial == nil {
		f.Dial = egress.Dialer().DialContext
	}

	f.Dial = smtpclient.WaitOnce(f.Dial)
	f.pace = new(serverPace)
	if f.Now == nil {
		f.Now = time.Now
	}

	one := func(area, id string, run func(context.Context) []plan.Check) plan.Checker {
		return plan.Checker{
			Area:    area,
			IDs:     []string{id},
			Timeout: checkTimeout + f.Patience,
			Run:     run,
		}
	}

	all := []plan.Checker{
		one("router", catalog.PortInside, f.portInside),
		one("mail", catalog.SMTPBanner, f.banner),
		one("mail", catalog.SMTPRefusing, f.refusing),
		one("mail", catalog.AccountPostmaster, f.postmaster),
		one("mail", catalog.AccountAbuse, f.abuse),
		one("mail", catalog.RelayOpen, f.relayOpen),
		one("mail", catalog.RelaySpoof, f.relaySpoof),
		one("mail", catalog.RelaySender, f.relaySender),
		one("mail", catalog.RelayRecipient, f.relayRecipient),
		one("mail", catalog.SMTPVRFY, f.vrfy),
		one("mail", catalog.SMTPSmuggling, f.smuggle),
		one("mail", catalog.ServiceConfig, f.config),
		one("mail", catalog.SMTPCertificate, f.certificate),
		one("router", catalog.PortEgress25, f.egress),
	}

	if f.Mailbox == nil {
		all = append(all, one("mail", catalog.MailLocal, f.mailLocal))
	} else {
		all = append(all, plan.Checker{
			Area:    catalog.AreaMail,
			IDs:     []string{catalog.MailLocal, catalog.MailRead},
			Timeout: checkTimeout + f.Patience,
			Run:     f.mailRead,
		})
	}

	if f.Accounts { // a server that counts failures would keep the mailbox's reader waiting too
		weak := one("mail", catalog.AccountWeak, f.weak)
		weak.After = []string{catalog.MailRead}
		all = append(all, weak)
	}

	if len(f.Backups) > 0 {
		all = append(all, one("mail", catalog.MailBackup, f.backups))
	}

	if f.Sends {
		all = append(all, one("mail", catalog.ServiceDelivery, f.delivery))
	}

	if len(f.Collectors) > 0 {
		all = append(all, one("mail", catalog.ServiceCollector, f.collectors))
	}

	return all
}

// checkPort connects to one port.
func (f Facts) checkPort(ctx context.Context, s Service) plan.Check {
	c := plan.Check{
		ID:      catalog.PortInside,
		Subject: plan.OfService(s.Name, s.Addr),
		Status:  plan.Pass,
		Want:    "listens",
		Got:     "listens",
		Ref:     "RFC 9293 section 3.5",
	}

	stepCtx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()

	conn, err := f.Dial(stepCtx, "tcp", s.Addr)
	switch {
	case err == nil:
		conn.Close()
	case ctx.Err() != nil: // ours, not the server's
		c.Status = plan.Skip
		c.Got = smtpclient.ErrorText(ctx.Err())
		c.Hint = "run verify again"
	default:
		c.Status = plan.Fail
		c.Got = smtpclient.ErrorText(err)
		if s.Addr == f.Addr {
			c.Reason = plan.ReasonDown
		}
		c.Hint = fmt.Sprintf("start the server's %s, or let it listen at %s; where it does so already, its own firewall is in the way",
			s.Name, s.Addr)
	}

	return c
}

// portInside is the one check that fails when nothing listens; the others then skip.
func (f Facts) portInside(ctx context.Context) []plan.Check {
	out := make([]plan.Check, len(f.Services))
	var wg sync.WaitGroup
	for i, s := range f.Services {
		wg.Go(func() { out[i] = f.checkPort(ctx, s) })
	}

	wg.Wait()
	if len(out) == 0 {
		out = singleCheck(plan.Check{
			ID:      catalog.PortInside,
			Subject: plan.About("the server's ports"),
			Status:  plan.Skip,
			Want:    "listens",
			Got:     "no forward is in the config",
			Hint:    "put the server's ports under router.forwards",
			Ref:     "RFC 9293 section 3.5",
		})
	}

	return out
}

func (f Facts) banner(ctx context.Context) []plan.Check {
	c := plan.Check{
		ID:      catalog.SMTPBanner,
		Subject: plan.OfAddr(f.Addr),
		Want:    "220 " + f.Hostname,
		Ref:     "RFC 5321 section 4.2",
	}

	d, err := smtpclient.Connect(ctx, f.Dial, f.Addr)
	if err != nil && (smtpclient.IsDialError(err) || ctx.Err() != nil) {
		return singleCheck(f.unreachable(c, err))
	}

	if err != nil {
		c.Status = plan.Fail
		c.Got = smtpclient.ErrorText(err)
		c.Hint = "the connection is accepted, but no greeting follows: check the mail server's log, and any proxy or firewall in front of it"
		return singleCheck(c)
	}

	defer d.Close()

	c.Got = d.Greeting.String()
	if d.Greeting.Code/100 == 4 {
		c.Status = plan.Warn
		c.Hint = "the server is busy or shutting down: verify again in some minutes"
		return singleCheck(c)
	}

	if d.Greeting.Code != 220 {
		c.Status = plan.Fail
		c.Hint = "the server answers, but takes no mail now: its log says why"
		return singleCheck(c)
	}

	if d.Greeting.Name() != smtpclient.CanonicalHost(f.Hostname) {
		c.Status = plan.Fail
		c.Hint = "set the server's own name to " + f.Hostname +
			", or see whether this is another server"
		return singleCheck(c)
	}

	if err := d.Greet(ctx); err != nil {
		c.Status = plan.Fail
		c.Got = smtpclient.ErrorText(err)
		c.Hint = "the server does not answer EHLO: its log says why"
		return singleCheck(c)
	}

	if d.Hello.Name() != smtpclient.CanonicalHost(f.Hostname) {
		c.Status = plan.Fail
		c.Want = "EHLO answered by " + f.Hostname
		c.Got = d.Hello.String()
		c.Hint = "set the server's own name to " + f.Hostname
		c.Ref = "RFC 5321 section 4.1.1.1"
		return singleCheck(c)
	}

	c.Status = plan.Pass
	return singleCheck(c)
}

// egress tries port 25 outwards.
func (f Facts) egress(ctx context.Context) (out []plan.Check) {
	if len(f.Egress) == 0 {
		return singleCheck(plan.Check{
			ID:      catalog.PortEgress25,
			Subject: plan.About("port 25 outwards"),
			Status:  plan.Skip,
			Want:    "open",
			Got:     "no mail server to try is in the config",
			Hint:    "name one outside, that you may ask, under verify.egress",
			Ref:     "RFC 5321 section 3.1",
		})
	}

	for _, host := range f.Egress {
		out = append(out, f.tryEgress(ctx, host))
	}

	return out
}

func (f Facts) tryEgress(ctx context.Context, host string) plan.Check {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
		port = "25"
	}

	c := plan.Check{
		ID: catalog.PortEgress25,
		Subject: plan.Subject{
			Host: host,
			Text: "port 25 outwards, to " + host,
		},
		Want: "220 from " + name,
		Ref:  "RFC 5321 section 3.1",
	}

	at, err := f.addresses(ctx, name)
	if err != nil {
		c.Status = plan.Skip
		c.Got = "its name does not resolve: " + err.Error()
		c.Hint = "see the resolvers of verify.resolvers, or name another server under verify.egress"
		return c
	}

	if slices.Contains(f.Own, at[0].Unmap()) { // what answers there says nothing of the way out
		c.Status = plan.Skip
		c.Got = fmt.Sprintf("%s is this site's own address: a connection from here does not go out", at[0])
		c.Hint = "name an external mail server that you may connect to under verify.egress"
		return c
	}

	d, err := smtpclient.Connect(ctx, f.Dial, net.JoinHostPort(at[0].String(), port))
	switch {
	case err != nil && ctx.Err() != nil:
		c.Status = plan.Skip
		c.Got = smtpclient.ErrorText(ctx.Err())
		c.Hint = "run verify again"
		return c
	case err != nil && !smtpclient.IsDialError(err):
		c.Status = plan.Warn
		c.Got = smtpclient.ErrorText(err)
		c.Hint = "the connection opens, but no mail server greets: something on the way may answer in its place, or the server is in trouble; try another under verify.egress"
		return c
	case err != nil:
		c.Status = plan.Fail
		c.Got = smtpclient.RemoteErrorText(err)
		c.Hint = "mail can't leave directly: ask the provider to open port 25 outwards, or send through a smart host"
		return c
	}

	defer d.Close()

	c.Got = d.Greeting.String()
	switch {
	case d.Greeting.Code != 220:
		c.Status = plan.Warn
		c.Hint = "the server can be reached, but refuses this address: see whether it is on a block list"
	case net.ParseIP(name) == nil && d.Greeting.Name() != smtpclient.CanonicalHost(name):
		c.Status = plan.Fail
		c.Hint = "another server answers: a transparent proxy of the provider or router, or a firewall's mail inspection; switch it off"
	default:
		c.Status = plan.Pass
	}

	return c
}

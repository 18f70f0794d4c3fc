package check

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// backups asks each backup MX whether it takes what the mail host would refuse. It says RCPT
// and never DATA.
func (f Facts) backups(ctx context.Context) []plan.Check {
	found := make([]plan.Check, len(f.Backups))
	var wg sync.WaitGroup
	for i, b := range f.Backups {
		wg.Go(func() { found[i] = f.backup(ctx, b) })
	}
	wg.Wait()
	return found
}

func (f Facts) backup(ctx context.Context, b Backup) plan.Check {
	c := plan.Check{
		ID: catalog.MailBackup,
		Subject: plan.Subject{
			Name: b.Domain,
			Host: b.Host,
			Text: b.Host + " for " + b.Domain,
		},
		Status: plan.Pass,
		Want:   "refuses unknown recipients, and other domains",
		Ref:    "RFC 5321 sections 3.6.2 and 7.9",
	}

	unknown := func(why, hint string) plan.Check {
		c.Status = plan.Skip
		c.Got = why
		c.Hint = hint
		return c
	}

	const unreached = "where other servers can't be reached either, port 25 outwards is shut: see port.egress25"
	addr, err := f.backupAddr(ctx, b.Host)
	if err != nil {
		return unknown(err.Error(), "give the host an address, or take it out of the MX records")
	}

	nobody := f.unknownAddress(b.Domain)
	questions := []struct{ to, bad, hint string }{
		{"mailpub-relay-test@" + smtpclient.RelayTestDomain, "relays: ", "it is an open relay and will be put on block lists under your domain's name: have it closed, or remove it from the MX records"},
		{nobody, "takes mail for unknown recipients: ", "spammers prefer such a server, and its bounces go to forged senders: give it the list of recipients, or let it ask the mail host before it accepts; else take it out"},
	}

	there := f
	there.Addr = addr
	for i, is := range there.tryRecipients(ctx, envelope{"<>", "<" + questions[0].to + ">"},
		envelope{"<>", "<" + questions[1].to + ">"}) {
		question := questions[i]
		said := is.decisive()
		switch {
		case is.err != nil:
			return unknown(fmt.Sprintf("%s does not answer: %s", addr,
				smtpclient.RemoteErrorText(is.err)), unreached)
		case is.isGreylisting():
			return f.deferred(c, said.String())
		case is.mail.Accepted() && is.rcpt.Accepted():
			c.Status, c.Got, c.Hint = plan.Fail, question.bad+said.String(), question.hint
			return c
		case !said.Refused():
			return unknown("not decided: "+said.String(),
				"the server says \"later\": verify again in some minutes; where it says so for good, have it refuse for good (Postfix: reject_unauth_destination in the place of defer_unauth_destination)")
		}

		c.Got = said.String()
	}

	return c
}

// backupAddr returns where a backup MX takes mail.
func (f Facts) backupAddr(ctx context.Context, host string) (string, error) {
	if f.Lookup == nil {
		return net.JoinHostPort(host, "25"), nil
	}

	addrs, err := f.Lookup(ctx, host)
	if err != nil {
		return "", err
	}
	if len(addrs) == 0 {
		return "", fmt.Errorf("%s has no address", host)
	}

	return net.JoinHostPort(addrs[0].String(), "25"), nil
}

package check

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/sockerr"
)

// mailRead sends the message of mail.local and then fetches it as its reader would.
func (f Facts) mailRead(ctx context.Context) []plan.Check {
	local, word := f.submitTest(ctx)
	end := time.Now().Add(arrival)
	if local.Status == plan.Pass && f.Maildir != "" {
		local, _ = f.found(ctx, local, word)
	}

	checks := singleCheck(local)
	ways := []struct {
		name, addr, ref string
		look            func(ctx context.Context, user, password, word string, remove bool) (bool, error)
	}{{"IMAP", f.Mailbox.IMAP, "RFC 3501", f.inIMAP},
		{"POP3", f.Mailbox.POP3, "RFC 1939", f.inPOP3}}

	for i, way := range ways {
		if way.addr == "" {
			continue
		}

		c := plan.Check{
			ID: catalog.MailRead,
			Subject: plan.Subject{
				Name: f.Mailbox.User,
				Addr: way.addr,
				Text: f.Mailbox.User + " by " + way.name + " at " + way.addr,
			},
			Want: "the message of mail.local",
			Ref:  way.ref,
		}

		last := i == len(ways)-1 || ways[i+1].addr == ""
		if word == "" {
			c.Status = plan.Skip
			c.Got = "no message was accepted"
			c.Hint = "see mail.local"
			c.Reason = local.Reason
		} else {
			c = f.fetch(ctx, c, word, end, last, way.look)
		}

		checks = append(checks, c)
	}

	return checks
}

// fetch looks until the message is there, or it is later than end: at least once.
func (f Facts) fetch(ctx context.Context, c plan.Check, word string, end time.Time, remove bool,
	look func(ctx context.Context, user, password, word string, remove bool) (bool, error)) plan.Check {
	password, err := f.Mailbox.Password(ctx)
	if err == nil && strings.ContainsAny(f.Mailbox.User+password, "\r\n\x00") {
		err = errors.New("user or password has a line end in it")
	}

	if err != nil {
		c.Status = plan.Skip
		c.Got = err.Error()
		c.Hint = "see verify.mailbox.password in the config"
		return c
	}

	ctx, cancel := context.WithTimeout(ctx, max(time.Until(end), arrival/2))
	defer cancel()

	for looked := false; ; looked = true {
		found, err := look(ctx, f.Mailbox.User, password, word, remove)
		switch {
		case found:
			c.Status = plan.Pass
			c.Got = "found"
			if err != nil {
				c.Got += " (and could not be removed: " + smtpclient.ErrorText(err) + ")"
			}
			return c
		case err != nil && looked && (ctx.Err() != nil || sockerr.Timeout(err)): // the last look was cut short
		case err != nil && (smtpclient.IsDialError(err) || sockerr.Timeout(err) ||
			ctx.Err() != nil):
			c.Status = plan.Skip
			c.Got = smtpclient.ErrorText(err)
			c.Hint = "let the server answer there; see port.inside"
			return c
		case err != nil:
			c.Status = plan.Fail
			c.Got = smtpclient.ErrorText(err)
			c.Hint = "see verify.mailbox in the config: whether the login is right; and the server's log"
			return c
		}

		select {
		case <-ctx.Done():
		case <-time.After(min(500*time.Millisecond, time.Until(end))):
		}

		if ctx.Err() != nil || !time.Now().Before(end) {
			c.Status = plan.Fail
			c.Got = "not there after " + arrival.String()
			c.Hint = "see which mailbox the postmaster's mail goes to, whether it is this user's, and whether a filter moved it"
			return c
		}
	}
}

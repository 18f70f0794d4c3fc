package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/mailsvc/smuggling"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/sockerr"
)

// How a false end of a message is tried: so many at once, and so long is the silence after
// which a server is taken to wait for the true one, beside five times what it needed to get
// there.
const (
	smugglers       = 12
	smugglePatience = time.Second
	longestQuiet    = time.Minute
)

// smuggle sees whether the server takes anything but CR LF . CR LF for the end of a message.
func (f Facts) smuggle(ctx context.Context) []plan.Check {
	c := plan.Check{
		ID:      catalog.SMTPSmuggling,
		Subject: plan.OfAddr(f.Addr),
		Want:    "a message ends at CR LF . CR LF alone",
		Ref:     "RFC 5321 section 2.3.8",
	}

	to := "postmaster"
	if len(f.Domains) > 0 {
		to += "@" + f.Domains[0]
	}

	// A server that greylists takes the first message only after a second try.
	f.tryRecipients(ctx, envelope{"<>", "<" + to + ">"})
	// Only the known ones: each is a connection, and servers count those.
	known := slices.DeleteFunc(smuggling.Forms(), func(f smuggling.Form) bool {
		return !f.Known()
	})

	found := TrySmuggling(ctx, f.Dial, f.Addr, to, known)
	var split, unknown []string
	for _, s := range found {
		switch {
		case s.Err != nil:
			unknown = append(unknown, s.Form+": "+smtpclient.ErrorText(s.Err))
		case s.Splits:
			split = append(split, fmt.Sprintf("%s (%s)", s.Form, s.Said))
		}
	}

	switch {
	case len(split) > 0:
		c.Status = plan.Fail
		c.Got = fmt.Sprintf("%d of %d other forms end it too: %s", len(split), len(found),
			firstFew(split))
		c.Hint = "configure the server to refuse or normalise bare CR and LF: otherwise attackers can forge mail from your correspondents"
	case len(unknown) == len(found):
		return singleCheck(f.unreachable(c, found[0].Err))
	case len(unknown) > 0:
		c = f.deferred(c, unknown[0])
		c.Got = fmt.Sprintf("%d of %d forms not decided: %s", len(unknown), len(found),
			firstFew(unknown))
	default:
		c.Status = plan.Pass
		c.Got = fmt.Sprintf("none of %d other forms ends it", len(found))
	}

	return singleCheck(c)
}

// SmugglingResult is what a server does with one false end.
type SmugglingResult struct {
	Form   string // see smuggling.Form.Name
	Splits bool   // it takes what follows for commands
	Said   string // its answer; "" when it waits for the true end
	Err    error  // why that is not known
}

// TrySmuggling tries false ends on a server, in a message to one of its own addresses.
// The true end is never sent: a server that is not fooled stores nothing, one that is stores
// what stands before, a line that says who sent it.
func TrySmuggling(ctx context.Context, dial smtpclient.Dial, addr, to string, forms []smuggling.Form) []SmugglingResult {
	forms = slices.DeleteFunc(slices.Clone(forms), smuggling.Form.HoldsEnd) // which a server rightly ends at
	out := make([]SmugglingResult, len(forms))
	var tries errgroup.Group
	tries.SetLimit(smugglers)

	for i, form := range forms {
		tries.Go(func() error {
			out[i] = SmugglingResult{Form: form.Name}
			out[i].Splits, out[i].Said, out[i].Err = tryEnd(ctx, dial, addr, to, form.Text)
			return nil
		})
	}

	_ = tries.Wait() // each error is in its own result
	return out
}

// tryEnd sends a message up to a false end, and sees whether the server answers. An answer
// of 5xx refuses the message as a whole: that is no end.
func tryEnd(ctx context.Context, dial smtpclient.Dial, addr, to, end string) (splits bool, said string, err error) {
	d, err := smtpclient.Hello(ctx, dial, addr)
	if err != nil {
		return false, "", err
	}

	defer d.Drop() // not QUIT, which would be text of the message

	began := time.Now()
	for _, step := range []string{"MAIL FROM:<>", "RCPT TO:<" + to + ">", "DATA"} {
		say := d.Command
		if from, is := strings.CutPrefix(step, "MAIL FROM:"); is { // which a server may want TLS for
			say = func(ctx context.Context, _ string) (smtpclient.Reply, error) {
				return d.Mail(ctx, from)
			}
		}

		r, err := say(ctx, step)
		if err == nil && r.Code/100 > 3 {
			err = fmt.Errorf("%s was answered %s", step, r)
		}

		if err != nil {
			return false, "", err
		}
	}

	message := strings.Join([]string{
		"From: mailpub verify <postmaster@" + smtpclient.InvalidDomain + ">",
		"To: <" + to + ">", "Subject: mailpub test of line ends",
		"Auto-Submitted: auto-generated", "",
		"mailpub verify sent this to see where the server ends a message. It can be deleted.",
	}, "\r\n")

	if err := d.Send(ctx, message+end); err != nil {
		return false, "", err
	}

	quiet, cancel := context.WithTimeout(ctx,
		smugglePatience+min(5*time.Since(began), longestQuiet))

	defer cancel()

	r, err := d.ReadReply(quiet)
	switch {
	case err == nil:
		return r.Accepted(), r.String(), nil
	case ctx.Err() != nil:
		return false, "", ctx.Err()
	case sockerr.Timeout(err) || errors.Is(err, context.DeadlineExceeded):
		return false, "", nil
	case smtpclient.ErrorText(err) == smtpclient.ConnectionClosed: // it breaks off
		return false, smtpclient.ConnectionClosed, nil
	}

	return false, "", err
}

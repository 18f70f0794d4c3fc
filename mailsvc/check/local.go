package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/sockerr"
)

// arrival is how long a delivered message may take to its mailbox.
const arrival = 10 * time.Second

// mailLocal sends a message on the LAN address and looks for it in the mailbox.
func (f Facts) mailLocal(ctx context.Context) []plan.Check {
	c, word := f.submitTest(ctx)
	if c.Status != plan.Pass {
		return singleCheck(c)
	}

	if f.Maildir == "" {
		c.Status = plan.Skip
		c.Got = c.Got + ", but the mailbox can't be read from here"
		c.Hint = "find the message with the subject \"mailpub test " + word +
			"\" in the postmaster's mailbox, or give verify.mailbox"
		return singleCheck(c)
	}

	c, m := f.found(ctx, c, word)
	f.removeTest(&c, m, word)
	return singleCheck(c)
}

// submitTest sends a message on the LAN address. It passes, with the word in the message, where the
// server accepts it.
func (f Facts) submitTest(ctx context.Context) (c plan.Check, word string) {
	c = plan.Check{
		ID:      catalog.MailLocal,
		Subject: plan.About("the postmaster"),
		Want:    "the message arrives",
		Ref:     "RFC 5321 section 3.3",
	}

	if len(f.Domains) == 0 {
		c.Status = plan.Skip
		c.Got = "this server receives mail for no domain of the config"
		c.Hint = "if it should take a domain's mail, give the domain an MX here (domains: mx:)"
		return c, ""
	}

	to := "postmaster@" + f.Domains[0]
	c.Subject = plan.OfAddr(f.Addr)
	c.Subject.Name = to
	c.Subject.Text = to + " at " + f.Addr
	word = Nonce(f.Now())
	message := f.message(to, word)
	step, r, err := f.deliver(ctx, to, message)
	again := f.newRetry()
	waited := time.Duration(0)

	for err == nil && r.Code/100 == 4 && Greylisted(r.String()) && again.Wait(ctx, r.String()) {
		step, r, err = f.deliver(ctx, to, message)
		waited = time.Since(again.began)
	}

	switch {
	case step == "":
		return f.unreachable(c, err), ""
	case err != nil && (sockerr.Timeout(err) || ctx.Err() != nil):
		c.Status = plan.Skip
		c.Got = step + ": " + smtpclient.ErrorText(err)
		c.Hint = "the server is too slow for a result: run verify again, and check its log"
	case err != nil:
		c.Status = plan.Fail
		c.Got = step + ": " + smtpclient.ErrorText(err)
		c.Hint = "the server breaks off: its log says why"
	case r.Code/100 == 4:
		c = f.deferred(c, r.String())
		c.Got = step + " was answered " + r.String()
	case !r.Accepted():
		c.Status = plan.Fail
		c.Got = step + " was answered " + r.String()
		c.Hint = "let the server accept " + to
	default:
		c.Status = plan.Pass
		c.Got = "accepted (" + answer{waited: waited}.note(r.String()) + ")"
		return c, word
	}

	return c, ""
}

// deliver sends a message without a sender, on a connection of its own. Without a connection step is "".
func (f Facts) deliver(ctx context.Context, to, message string) (step string, r smtpclient.Reply, err error) {
	d, err := smtpclient.Hello(ctx, f.Dial, f.Addr)
	if err != nil {
		return "", r, err
	}
	defer d.Close()
	return d.Deliver(ctx, "<>", "<"+to+">", message)
}

func (f Facts) message(to, word string) string {
	now := f.Now()
	return "From: mailpub verify <postmaster@" + smtpclient.InvalidDomain + ">\r\nTo: <" + to +
		">\r\n" +
		"Subject: mailpub test " + word + "\r\nDate: " +
		now.Format("Mon, 2 Jan 2006 15:04:05 -0700") + "\r\n" +
		"Message-ID: <" + word + "@" + smtpclient.InvalidDomain +
		">\r\nAuto-Submitted: auto-generated\r\n\r\n" +
		"mailpub verify sent this message to see whether it arrives. It can be deleted."
}

// delivered is a message in a mailbox; its path is "" where there is none.
type delivered struct {
	path string
	head []byte // its beginning
}

// found looks for the message in the mailboxes' files, and returns it.
func (f Facts) found(ctx context.Context, c plan.Check, word string) (plan.Check, delivered) {
	m, err := f.arrived(ctx, word)
	switch {
	case m.path != "":
		c.Status = plan.Pass
		c.Got = "arrived in " + m.path
		return c, m
	case err != nil:
		c.Status = plan.Skip
		c.Got = err.Error()
	default:
		c.Status = plan.Fail
		c.Got = fmt.Sprintf("accepted, but not in %s after %v", f.Maildir, arrival)
	}

	c.Hint = "see whether the server stores its mail there (service.maildir), and its log for where the message went"
	return c, delivered{}
}

// removeTest removes the message once it was seen, if it was: nobody waits for it.
func (f Facts) removeTest(c *plan.Check, m delivered, word string) {
	if m.path == "" {
		return
	}

	err := os.Remove(m.path)
	if os.IsNotExist(err) { // a mail program has seen it, which renames it, or took it away itself
		if m, err = search(f.Maildir, word, time.Now().Add(-recent),
			map[string]bool{}); m.path != "" {
			err = os.Remove(m.path)
		}
	}

	if err != nil && !os.IsNotExist(err) {
		c.Got += " (and could not be removed: " + err.Error() + ")"
	}
}

// recent is how old a file may be that a message which was just sent is looked for in. The clocks of
// a file server may be a little off.
const recent = 10 * time.Minute

// arrived returns the message with word, once it is there; none after arrival has
// passed. The error says why nobody could look.
func (f Facts) arrived(ctx context.Context, word string) (m delivered, err error) {
	ctx, cancel := context.WithTimeout(ctx, arrival)
	defer cancel()

	seen := map[string]bool{}
	since := time.Now().Add(-recent)
	for {
		if m, err = search(f.Maildir, word, since, seen); m.path != "" {
			return m, nil
		}

		select {
		case <-ctx.Done():
			return delivered{}, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// search returns the message below root/*/new or root/*/cur, or in root itself, where MDaemon keeps a mailbox in .msg
// files: one not older than since, whose beginning holds word. A mail program that is connected moves what
// comes in from new to cur at once, and renames it there when its flags change. Files are read once: seen
// remembers them by what stays of their names. What can't be read is an error only when the message is not
// found elsewhere.
func search(root, word string, since time.Time, seen map[string]bool) (found delivered, err error) {
	boxes, err := os.ReadDir(root)
	if os.IsNotExist(err) {
		return found, nil
	}

	look := func(box, dir string, files []os.DirEntry) bool {
		for _, file := range files {
			unique, _, _ := strings.Cut(file.Name(), ":")
			key := filepath.Join(box, unique)
			if seen[key] {
				continue
			}

			head, fault := headSince(dir, file, since)
			if fault == nil && bytes.Contains(head, []byte(word)) {
				found = delivered{filepath.Join(dir, file.Name()), head}
				return true
			}

			seen[key] = fault == nil
			if fault != nil && !os.IsNotExist(fault) {
				err = fault
			}
		}

		return false
	}

	if look("", root, messageFiles(boxes)) {
		return found, nil
	}

	for _, box := range boxes {
		for _, sub := range []string{"new", "cur"} { // in the order in which it moves
			dir := filepath.Join(root, box.Name(), sub)
			files, fault := os.ReadDir(dir)
			if fault != nil && box.IsDir() && !os.IsNotExist(fault) {
				err = fault
			}

			if look(box.Name(), dir, files) {
				return found, nil
			}
		}
	}

	return found, err
}

// messageFiles are the files that hold a message each by their names.
func messageFiles(entries []os.DirEntry) (files []os.DirEntry) {
	for _, e := range entries {
		if e.Type().IsRegular() && strings.EqualFold(filepath.Ext(e.Name()), ".msg") {
			files = append(files, e)
		}
	}
	return files
}

// headSince returns the beginning of a file, nothing of an older one.
func headSince(dir string, file os.DirEntry, since time.Time) ([]byte, error) {
	info, err := file.Info()
	if err != nil || info.ModTime().Before(since) {
		return nil, err
	}
	return readUpTo(filepath.Join(dir, file.Name()), maxHead)
}

// maxHead is how much of a file is read to find a message's subject.
const maxHead = 8 << 10

// readUpTo returns the beginning of a file.
func readUpTo(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

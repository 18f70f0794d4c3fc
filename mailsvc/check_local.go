package mailsvc

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// arrival is how long a delivered message may take to its mailbox.
const arrival = 10 * time.Second

// nonce returns a word that no message has had before.
func nonce(now time.Time) string {
	return strconv.FormatInt(now.UnixNano(), 36) + rand.Text()[:8]
}

// mailLocal sends a message on the LAN address and looks for it in the mailbox.
func (f Facts) mailLocal(ctx context.Context) []plan.Check {
	c, word := f.handIn(ctx)
	if c.Status != plan.Pass {
		return single(c)
	}
	if f.Maildir == "" {
		c.Status, c.Got = plan.Skip, c.Got+", but the mailbox can't be read from here"
		c.Hint = "look for the subject \"mailpub test " + word + "\" in the postmaster's mailbox, or give verify.mailbox"
		return single(c)
	}
	c, path := f.found(ctx, c, word)
	takeAway(&c, path)
	return single(c)
}

// handIn sends a message on the LAN address. It passes, with the word in the message, where the
// server accepts it.
func (f Facts) handIn(ctx context.Context) (c plan.Check, word string) {
	c = plan.Check{ID: "mail.local", Subject: "the postmaster", Want: "the message arrives", Ref: "RFC 5321 section 3.3"}
	if len(f.Domains) == 0 {
		c.Status, c.Got, c.Hint = plan.Skip, "no domain is in the config", "put one under domains"
		return c, ""
	}
	to := "postmaster@" + f.Domains[0]
	c.Subject = to + " at " + f.Addr
	d, err := hello(ctx, f.Dial, f.Addr)
	if err != nil {
		return f.silent(c, err), ""
	}
	defer d.close()
	word = nonce(f.Now())
	step, r, err := d.deliver(ctx, "<>", "<"+to+">", f.message(to, word))
	switch {
	case err != nil && (isTimeout(err) || ctx.Err() != nil):
		c.Status, c.Got, c.Hint = plan.Skip, step+": "+plainly(err), "the server is too slow to tell: verify again, and look at its log"
	case err != nil:
		c.Status, c.Got, c.Hint = plan.Fail, step+": "+plainly(err), "the server breaks off: its log says why"
	case r.Code/100 == 4:
		c.Status, c.Got = plan.Skip, step+" was answered "+r.String()
		c.Hint = "the server says \"later\": where that is greylisting, verify again in some minutes"
	case !r.accepted():
		c.Status, c.Got = plan.Fail, step+" was answered "+r.String()
		c.Hint = "let the server accept " + to
	default:
		c.Status, c.Got = plan.Pass, "accepted ("+r.String()+")"
		return c, word
	}
	return c, ""
}

func (f Facts) message(to, word string) string {
	now := f.Now()
	return "From: mailpub verify <postmaster@" + noDomain + ">\r\nTo: <" + to + ">\r\n" +
		"Subject: mailpub test " + word + "\r\nDate: " + now.Format("Mon, 2 Jan 2006 15:04:05 -0700") + "\r\n" +
		"Message-ID: <" + word + "@" + noDomain + ">\r\nAuto-Submitted: auto-generated\r\n\r\n" +
		"mailpub verify sent this message to see whether it arrives. It can be deleted."
}

// found looks for the message in the mailboxes' files, and returns which it is.
func (f Facts) found(ctx context.Context, c plan.Check, word string) (_ plan.Check, path string) {
	path, err := f.arrived(ctx, word)
	switch {
	case path != "":
		c.Status, c.Got = plan.Pass, "arrived in "+path
		return c, path
	case err != nil:
		c.Status, c.Got = plan.Skip, err.Error()
	default:
		c.Status, c.Got = plan.Fail, fmt.Sprintf("accepted, but not in %s after %v", f.Maildir, arrival)
	}
	c.Hint = "see whether the server stores its mail there (service.maildir), and its log for where the message went"
	return c, ""
}

// takeAway removes the message once it was seen, if it was: nobody waits for it.
func takeAway(c *plan.Check, path string) {
	if path == "" {
		return
	}
	if err := os.Remove(path); err != nil {
		c.Got += " (and could not be removed: " + err.Error() + ")"
	}
}

// arrived returns the file of the message with word, once it is there; none after arrival has
// passed. The error says why nobody could look.
func (f Facts) arrived(ctx context.Context, word string) (path string, err error) {
	ctx, cancel := context.WithTimeout(ctx, arrival)
	defer cancel()
	seen := map[string]bool{}
	for {
		if path, err = search(f.Maildir, word, seen); path != "" {
			return path, nil
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// search returns the file below root/*/new whose beginning holds word. Files are read
// once: seen remembers them. What can't be read is an error only when the file is not found elsewhere.
func search(root, word string, seen map[string]bool) (found string, err error) {
	boxes, err := os.ReadDir(root)
	if os.IsNotExist(err) {
		return "", nil
	}
	for _, box := range boxes {
		dir := filepath.Join(root, box.Name(), "new")
		files, fault := os.ReadDir(dir)
		if fault != nil && box.IsDir() && !os.IsNotExist(fault) {
			err = fault
		}
		for _, file := range files {
			path := filepath.Join(dir, file.Name())
			if seen[path] {
				continue
			}
			head, fault := headOf(path)
			switch {
			case fault == nil && bytes.Contains(head, []byte(word)):
				return path, nil
			case fault == nil:
				seen[path] = true
			case !os.IsNotExist(fault):
				err = fault
			}
		}
	}
	return "", err
}

// headOf returns the beginning of a file, where a message's subject is.
func headOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, 8<<10)
	n, err := io.ReadFull(f, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return buf[:n], err
}

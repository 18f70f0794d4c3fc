package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
)

// maxMailbox bounds what a mailbox server may say in one look, in octets.
const maxMailbox = 1 << 20

// mailboxConn is a conversation with a mailbox server. Not safe for concurrent use.
type mailboxConn struct {
	*textproto.Conn
	raw net.Conn
}

// openMailbox connects, with TLS from the start at the ports that have it so (RFC 8314).
func (f Facts) openMailbox(ctx context.Context, addr string) (*mailboxConn, error) {
	stepCtx, cancel := context.WithTimeout(ctx, smtpclient.StepTimeout)
	defer cancel()
	raw, err := f.Dial(stepCtx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := raw.SetDeadline(smtpclient.Deadline(ctx)); err != nil {
		raw.Close()
		return nil, err
	}
	c := newMailboxConn(raw)
	if _, port, _ := net.SplitHostPort(addr); port == "993" || port == "995" {
		return c, c.secure(ctx, f.mailboxTLS(addr))
	}
	return c, nil
}

func newMailboxConn(raw net.Conn) *mailboxConn {
	return &mailboxConn{raw: raw, Conn: textproto.NewConn(struct {
		io.Reader
		io.Writer
		io.Closer
	}{io.LimitReader(raw, maxMailbox), raw, raw})}
}

// mailboxTLS trusts any certificate inside, where they are seldom made for the address, and
// elsewhere only one that names the mail host: a password goes over the wire.
func (f Facts) mailboxTLS(addr string) *tls.Config {
	return &tls.Config{ServerName: f.Hostname, InsecureSkipVerify: isLocalAddress(addr), RootCAs: f.Roots}
}

// isLocalAddress reports whether an address is of this machine or this network.
func isLocalAddress(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	a, err := netip.ParseAddr(host)
	return err == nil && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast())
}

func (c *mailboxConn) secure(ctx context.Context, config *tls.Config) error {
	if c.R.Buffered() > 0 { // RFC 3207 section 6 says why for SMTP; it is the same here
		return errors.New("the server spoke before TLS began")
	}
	conn := tls.Client(c.raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	*c = *newMailboxConn(conn)
	return nil
}

var errClear = errors.New("the server offers no TLS, and mailpub sends passwords unencrypted only within its own network")

// inPOP3 looks for a message with word among the newest (RFC 1939), and deletes it if it may.
func (f Facts) inPOP3(ctx context.Context, user, password, word string, remove bool) (found bool, err error) {
	c, err := f.openMailbox(ctx, f.Mailbox.POP3)
	if c != nil {
		defer func() { c.Close() }()
	}
	if err != nil {
		return false, err
	}
	say := func(format string, args ...any) (string, error) {
		if format != "" {
			if err := c.PrintfLine(format, args...); err != nil {
				return "", err
			}
		}
		line, err := c.ReadLine()
		if err == nil && !strings.HasPrefix(line, "+OK") {
			err = fmt.Errorf("the server says %q", smtpclient.Shorten(line))
		}
		return line, err
	}
	if _, err = say(""); err != nil {
		return false, err
	}
	if _, secure := c.raw.(*tls.Conn); !secure {
		if _, err = say("STLS"); err == nil { // RFC 2595 section 4
			err = c.secure(ctx, f.mailboxTLS(f.Mailbox.POP3))
		} else if isLocalAddress(f.Mailbox.POP3) {
			err = nil
		} else {
			err = errClear
		}
		if err != nil {
			return false, err
		}
	}
	if _, err = say("USER %s", user); err != nil {
		return false, err
	}
	if _, err = say("PASS %s", password); err != nil {
		return false, fmt.Errorf("login: %w", err)
	}
	line, err := say("STAT")
	if err != nil {
		return false, err
	}
	var count int
	if _, err := fmt.Sscanf(line, "+OK %d", &count); err != nil {
		return false, fmt.Errorf("STAT was answered %q", smtpclient.Shorten(line))
	}
	const newest = 20 // the message has only just come
	for n := count; n > 0 && n > count-newest && !found; n-- {
		if _, err = say("TOP %d 0", n); err != nil {
			return false, err
		}
		lines, err := c.ReadDotLines()
		if err != nil {
			return false, err
		}
		if found = strings.Contains(strings.Join(lines, "\n"), word); found && remove {
			if _, err := say("DELE %d", n); err != nil {
				return true, err
			}
		}
	}
	_, err = say("QUIT") // deletes what is marked (RFC 1939 section 6)
	return found, err
}

// inIMAP looks for a message with word in its subject (RFC 3501), and deletes it if it may and
// the server can delete one alone (UIDPLUS, RFC 4315).
func (f Facts) inIMAP(ctx context.Context, user, password, word string, remove bool) (found bool, err error) {
	c, err := f.openMailbox(ctx, f.Mailbox.IMAP)
	if c != nil {
		defer func() { c.Close() }()
	}
	if err != nil {
		return false, err
	}
	if line, err := c.ReadLine(); err != nil || !strings.HasPrefix(line, "* OK") {
		return false, orSaid(err, line)
	}
	has, err := c.imap("CAPABILITY")
	if err != nil {
		return false, err
	}
	_, secure := c.raw.(*tls.Conn)
	switch {
	case secure:
	case strings.Contains(has, "STARTTLS"):
		if _, err = c.imap("STARTTLS"); err == nil {
			err = c.secure(ctx, f.mailboxTLS(f.Mailbox.IMAP))
		}
	case !isLocalAddress(f.Mailbox.IMAP):
		err = errClear
	}
	if err != nil {
		return false, err
	}
	if _, err = c.imap("LOGIN " + imapString(user) + " " + imapString(password)); err != nil {
		return false, fmt.Errorf("login: %w", err)
	}
	open := "EXAMINE INBOX" // alters nothing
	if remove {
		open = "SELECT INBOX"
	}
	if _, err = c.imap(open); err != nil {
		return false, err
	}
	said, err := c.imap("UID SEARCH SUBJECT " + imapString(word))
	if err != nil {
		return false, err
	}
	uid := searched(said)
	if uid != "" && remove {
		if has, err = c.imap("CAPABILITY"); err == nil && strings.Contains(has, "UIDPLUS") {
			if _, err = c.imap("UID STORE " + uid + ` +FLAGS (\Deleted)`); err == nil {
				_, err = c.imap("UID EXPUNGE " + uid)
			}
		}
	}
	_, _ = c.imap("LOGOUT")
	return uid != "", err
}

// searched returns the last number of an answer to SEARCH, "" where there is none.
func searched(said string) (uid string) {
	for _, line := range strings.Split(said, "\n") {
		if numbers, is := strings.CutPrefix(line, "* SEARCH"); is && numbers != "" {
			all := strings.Fields(numbers)
			uid = all[len(all)-1]
		}
	}
	if strings.Trim(uid, "0123456789") != "" {
		return ""
	}
	return uid
}

// imap says a command and returns the lines before the one that ends it.
func (c *mailboxConn) imap(command string) (said string, err error) {
	const tag = "m"
	if err := c.PrintfLine("%s %s", tag, command); err != nil {
		return "", err
	}
	for {
		line, err := c.ReadLine()
		if err != nil {
			return "", err
		}
		if end, is := strings.CutPrefix(line, tag+" "); is {
			if !strings.HasPrefix(end, "OK") {
				return "", fmt.Errorf("the server says %q", smtpclient.Shorten(end))
			}
			return said, nil
		}
		said += line + "\n"
	}
}

// imapString is a quoted string (RFC 3501 section 4.3).
func imapString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func orSaid(err error, line string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("the server greets with %q", smtpclient.Shorten(line))
}

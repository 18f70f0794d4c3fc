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
	"time"

	"github.com/mailpub/mailpub/mailsvc/mailbox"
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
	stepCtx, cancel := context.WithTimeout(ctx, smtpclient.DialTimeout)
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
	return &tls.Config{
		ServerName:         f.Hostname,
		InsecureSkipVerify: isLocalAddress(addr),
		RootCAs:            f.Roots,
	}
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
			err = mailbox.ErrClear
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

// inIMAP looks for a message with word in any folder (RFC 9051), and deletes it if it may and the server can delete one
// alone (UIDPLUS, RFC 4315).
func (f Facts) inIMAP(ctx context.Context, user, password, word string, remove bool) (found bool, err error) {
	account := mailbox.Account{
		IMAP:       f.Mailbox.IMAP,
		User:       user,
		Password:   func(context.Context) (string, error) { return password, nil },
		Inside:     isLocalAddress(f.Mailbox.IMAP),
		ServerName: f.Hostname,
		Roots:      f.Roots,
		Dial:       f.dialBounded,
	}

	session, err := account.Open(ctx)
	if err != nil {
		return false, err
	}

	defer session.Close()

	messages, err := session.Find(word, time.Now())
	for _, m := range messages {
		if m.Sent {
			continue
		}
		found = true
		if remove {
			err = errors.Join(err, session.Delete(m))
		}
	}

	return found, err
}

// boundedConn reads no more than a mailbox server may say in one look.
type boundedConn struct {
	net.Conn
	left int
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

var errTooMuch = errors.New("the mailbox server does not stop talking")

func (f Facts) dialBounded(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := f.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &boundedConn{Conn: conn, left: maxMailbox}, nil
}

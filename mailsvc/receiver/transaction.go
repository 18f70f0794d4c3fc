package receiver

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// transaction is one message under way, from MAIL to its end.
type transaction struct {
	begunMail bool // MAIL was accepted
	from      string
	utf8      bool
	to        []recipient
	inChunks  bool // BDAT has begun
}

// recipient is an accepted RCPT.
type recipient struct{ address, mailbox string }

// mailOptions are the parameters of MAIL.
type mailOptions struct{ utf8 bool }

// mailParameters reads the parameters of MAIL (RFC 1870, 6152, 6531).
func (c *conn) mailParameters(parameters []string) (o mailOptions, refusal *response) {
	if len(parameters) > 0 && !c.extended {
		return o, &response{555, "5.5.4", "parameters need EHLO"}
	}

	for _, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		switch strings.ToUpper(name) {
		case "SIZE": // up to 20 digits: RFC 1870 section 4
			if value == "" || len(value) > 20 || strings.Trim(value, "0123456789") != "" {
				return o, &response{501, "5.5.4", "SIZE wants a number of octets"}
			}
			if n, err := strconv.ParseInt(value, 10, 64); err != nil || n > c.server.MaxSize {
				return o, errTooLarge // RFC 1870 section 6.1
			}
		case "BODY":
			if !slices.Contains([]string{"7BIT", "8BITMIME"}, strings.ToUpper(value)) {
				return o, &response{501, "5.5.4", "BODY is 7BIT or 8BITMIME"}
			}
		case "SMTPUTF8":
			o.utf8 = true
		case "AUTH": // RFC 4954 section 5: allowed, and believed of nobody
		default:
			return o, &response{555, "5.5.4", "unknown parameter"}
		}
	}

	return o, nil
}

// acceptSender says why a sender is refused; nil when it is not.
func (s *Server) acceptSender(c *conn, from string, o mailOptions) *response {
	if !readable(from, o.utf8) {
		return errUTF8
	}

	local, domain := splitAddress(from)
	if from != "" && domain == "" {
		return &response{501, "5.1.7", "a sender's address has a domain"}
	}

	set, ok := s.settings.get()
	if ok && from != "" && set.local(domain) {
		// Nobody authenticates here, so a sender of ours is not who he says.
		if _, known := set.mailbox(local, domain); known {
			return errSpoof
		}
		return errNoSender
	}

	if c.mails > 0 && !s.quotas.message(c.raw.RemoteAddr(), time.Now()) {
		return errTooMuch
	}

	return nil
}

// acceptRecipient returns where mail for an address goes, or why it is refused.
func (s *Server) acceptRecipient(c *conn, to string) (r recipient, refusal *response) {
	if !readable(to, c.utf8) {
		return r, errUTF8
	}

	set, ok := s.settings.get()
	if !ok {
		return r, errNotSetUp
	}

	local, domain := splitAddress(to)
	if domain == "" { // RFC 5321 section 4.5.1: postmaster, and what else stands without a domain
		box, ok := set.bare(local)
		if !ok {
			return r, errNoMailbox
		}
		return recipient{local + "@" + c.hostname, box}, nil
	}

	if domain == c.hostname || c.isOwnLiteral(domain) {
		domain = set.Hostname // it may have changed since the greeting
	}

	if !set.local(domain) {
		return r, errRelay // RFC 5321 section 3.6.2
	}

	mailbox, ok := set.mailbox(local, domain)
	if !ok {
		return r, errNoMailbox
	}

	return recipient{to, mailbox}, nil
}

// isOwnLiteral reports whether a domain is the address that the client reached, written as a
// literal (RFC 1123 section 5.2.17).
func (c *conn) isOwnLiteral(domain string) bool {
	text, literal := strings.CutPrefix(domain, "[")
	if !literal {
		return false
	}

	text = strings.TrimPrefix(strings.TrimSuffix(text, "]"), "ipv6:")
	addr, err := netip.ParseAddr(text)
	own, fault := netip.ParseAddrPort(c.raw.LocalAddr().String())

	return err == nil && fault == nil && own.Addr().Unmap().WithZone("") == addr
}

// take stores the message, and returns the 250, only once it is safe on disk, or why not. What
// its client gave up is not spoken of.
func (c *conn) take(ctx context.Context, content io.Reader) *response {
	s := c.server
	s.storing.RLock()
	defer s.storing.RUnlock()

	m := c.message()
	checked := newStrictReader(content, s.MaxSize)
	err := c.store(ctx, &m, checked)
	refusal := okReply

	switch {
	case err == nil:
	case errors.Is(checked.err, errGivenUp):
		return errBrokenOff
	case checked.refused != nil:
		refusal = checked.refused
	case checked.err != nil:
		refusal = errBrokenOff
	default:
		s.log().Error("message not stored", "id", m.ID, "error", err)
		refusal = errStorage
	}

	s.countOutcome(m, refusal)
	if err == nil {
		s.log().Info("message stored", "id", m.ID, "from", m.From, "to", m.To, "size", m.Size)
		s.delivered(m)
	}

	return refusal
}

// store puts the message into its mailboxes, with what the server's Judge has to say of it.
func (c *conn) store(ctx context.Context, m *Message, content io.Reader) (err error) {
	s := c.server
	if s.Judge != nil {
		whole, err := spool(content, s.Maildir)
		if err != nil {
			return err
		}

		defer whole.close()

		if m.Verdict, content, err = s.Judge(ctx, *m, whole); err != nil {
			return err
		}
	}

	m.Paths, m.Size, err = s.maildir.store(m.Mailboxes, m.ID, m.header(c), content)
	return err
}

func (c *conn) message() Message {
	now := c.server.now()
	m := Message{
		ID:     c.server.unique(now),
		Time:   now,
		Remote: c.raw.RemoteAddr().String(),
		Helo:   c.helo,
		From:   c.from,
		TLS:    c.cipher(),
	}

	for _, r := range c.to {
		m.To = append(m.To, r.address)
		if !slices.Contains(m.Mailboxes, r.mailbox) {
			m.Mailboxes = append(m.Mailboxes, r.mailbox)
		}
	}

	return m
}

// readable reports whether an address is ASCII or, where SMTPUTF8 was asked for, UTF-8
// (RFC 6531 sections 3.3 and 3.5).
func readable(address string, utf8Asked bool) bool {
	if utf8Asked {
		return utf8.ValidString(address)
	}

	for i := range len(address) {
		if address[i] >= utf8.RuneSelf {
			return false
		}
	}

	return true
}

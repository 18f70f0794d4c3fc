package receiver

import (
	"errors"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
)

// Replies beyond go-smtp's own. Enhanced codes are those of RFC 3463.
var (
	errNotSetUp  = reply(451, smtp.EnhancedCode{4, 3, 0}, "not set up yet, please come back later")
	errTooMuch   = reply(450, smtp.EnhancedCode{4, 7, 0}, "too many messages from your address in a minute, please come back later")
	errNested    = reply(503, smtp.EnhancedCode{5, 5, 1}, "MAIL was said already")
	errSpoof     = reply(550, smtp.EnhancedCode{5, 7, 1}, "mail from our own domain needs authentication, which is not offered here")
	errNoSender  = reply(550, smtp.EnhancedCode{5, 1, 0}, "no such sender here")
	errRelay     = reply(554, smtp.EnhancedCode{5, 7, 1}, "relaying denied")
	errNoMailbox = reply(550, smtp.EnhancedCode{5, 1, 1}, "no such user here")
	errStorage   = reply(452, smtp.EnhancedCode{4, 3, 1}, "cannot store mail now, please come back later")
	errUTF8      = reply(553, smtp.EnhancedCode{5, 6, 7}, "this address needs SMTPUTF8")
	errLineEnds  = reply(550, smtp.EnhancedCode{5, 6, 0}, "bare CR, bare LF or NUL in the message")
	errBrokenOff = reply(451, smtp.EnhancedCode{4, 4, 2}, "the message broke off")
)

func reply(code int, enhanced smtp.EnhancedCode, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// recipient is an accepted RCPT.
type recipient struct{ address, mailbox string }

// session is one mail transaction after another on one connection.
type session struct {
	server *Server
	wire   *wire
	conn   *smtp.Conn

	begun bool // by MAIL
	again bool // there was a message on this connection before
	from  string
	utf8  bool
	to    []recipient
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	switch {
	case s.begun: // RFC 5321 section 4.1.4
		return errNested
	case o.Size > s.server.MaxSize: // RFC 1870 section 6.1
		return smtp.ErrDataTooLarge
	case !readable(from, o.UTF8):
		return errUTF8
	}
	set, ok := s.server.settings.get()
	if ok && from != "" {
		if local, domain := splitAddress(from); set.local(domain) {
			// Nobody authenticates here, so a sender of ours is not who he says.
			if _, known := set.mailbox(local, domain); known {
				return errSpoof
			}
			return errNoSender
		}
	}
	if s.again && !s.server.quotas.message(s.wire.RemoteAddr(), time.Now()) {
		return errTooMuch
	}
	s.begun, s.again, s.from, s.utf8 = true, true, from, o.UTF8
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !readable(to, s.utf8) {
		return errUTF8
	}
	set, ok := s.server.settings.get()
	if !ok {
		return errNotSetUp
	}
	local, domain := splitAddress(to)
	if domain == s.wire.hostname {
		domain = set.Hostname // it may have changed since the greeting
	}
	if !set.local(domain) {
		return errRelay // RFC 5321 section 3.6.2: no relaying for strangers
	}
	mailbox, ok := set.mailbox(local, domain)
	if !ok {
		return errNoMailbox
	}
	s.to = append(s.to, recipient{to, mailbox})
	return nil
}

// Data implements smtp.Session. It returns nil, which the client sees as 250, only when
// the message is safe on disk.
func (s *session) Data(r io.Reader) error {
	s.server.storing.RLock()
	defer s.server.storing.RUnlock()
	m := s.message()
	err := s.take(&m, r)
	s.server.ended(m, err)
	return err
}

// take stores the message, or returns the reply that says why not.
func (s *session) take(m *Message, r io.Reader) error {
	body := &strictReader{r: r, left: s.server.MaxSize}
	err := s.store(m, body)
	switch {
	case err == nil:
	case body.refused != nil:
		return body.refused
	case body.broken != nil:
		s.server.log().Info("message broke off", "id", m.ID, "remote", m.Remote, "error", body.broken)
		return errBrokenOff
	default:
		s.server.log().Error("message not stored", "id", m.ID, "error", err)
		return errStorage
	}
	s.server.log().Info("message stored", "id", m.ID, "from", m.From, "to", m.To, "size", m.Size)
	s.server.delivered(*m)
	return nil
}

// store puts the message into its mailboxes, with what the server's Judge has to say of it.
func (s *session) store(m *Message, body io.Reader) (err error) {
	if s.server.Judge != nil {
		whole, err := spool(body, s.server.Maildir)
		if err != nil {
			return err
		}
		defer whole.close()
		if m.Verdict, body, err = s.server.Judge(s.server.context, *m, whole); err != nil {
			return err
		}
	}
	m.Paths, m.Size, err = s.server.maildir.store(m.Mailboxes, m.ID, m.header(s.wire, s.utf8), body)
	return err
}

func (s *session) message() Message {
	now := s.server.now()
	m := Message{
		ID: s.server.unique(now), Time: now, Remote: s.conn.Conn().RemoteAddr().String(),
		Helo: s.conn.Hostname(), From: s.from, TLS: s.wire.cipher(), Mailboxes: s.mailboxes(),
	}
	for _, rcpt := range s.to {
		m.To = append(m.To, rcpt.address)
	}
	return m
}

// mailboxes returns where the message goes, each once.
func (s *session) mailboxes() (boxes []string) {
	for _, rcpt := range s.to {
		if !slices.Contains(boxes, rcpt.mailbox) {
			boxes = append(boxes, rcpt.mailbox)
		}
	}
	return boxes
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.begun, s.from, s.utf8, s.to = false, "", false, nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

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

// strictReader passes a message on, up to a size, and fails at a bare CR, a bare LF or a NUL: see
// body, which has seen to DATA already. What comes by BDAT is only seen here.
type strictReader struct {
	r    io.Reader
	left int64 // octets allowed
	cr   bool  // the last octet was CR

	refused *smtp.SMTPError // why the message is not taken
	broken  error           // why it ended before its end
}

func (s *strictReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	for _, c := range p[:n] {
		if s.cr != (c == '\n') || c == 0 {
			return 0, s.refuse(errLineEnds)
		}
		s.cr = c == '\r'
	}
	s.left -= int64(n)
	switch {
	case s.left < 0: // RFC 1870 section 6.3
		return 0, s.refuse(smtp.ErrDataTooLarge)
	case err == io.EOF && s.cr:
		return 0, s.refuse(errLineEnds)
	case err != nil && !errors.Is(err, io.EOF):
		s.broken = err
	}
	return n, err
}

func (s *strictReader) refuse(why *smtp.SMTPError) error {
	s.refused = why
	return why
}

package receiver

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/emersion/go-smtp"
)

// Replies beyond go-smtp's own. Enhanced codes are those of RFC 3463.
var (
	errNotSetUp  = reply(451, smtp.EnhancedCode{4, 3, 0}, "not set up yet, please come back later")
	errSpoof     = reply(550, smtp.EnhancedCode{5, 7, 1}, "mail from our own domain needs authentication, which is not offered here")
	errNoSender  = reply(550, smtp.EnhancedCode{5, 1, 0}, "no such sender here")
	errRelay     = reply(554, smtp.EnhancedCode{5, 7, 1}, "relaying denied")
	errNoMailbox = reply(550, smtp.EnhancedCode{5, 1, 1}, "no such user here")
	errStorage   = reply(452, smtp.EnhancedCode{4, 3, 1}, "cannot store mail now, please come back later")
	errUTF8      = reply(553, smtp.EnhancedCode{5, 6, 7}, "this address needs SMTPUTF8")
	errLineEnds  = reply(550, smtp.EnhancedCode{5, 6, 0}, "bare CR, bare LF or NUL in the message")
)

func reply(code int, enhanced smtp.EnhancedCode, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// recipient is an accepted RCPT.
type recipient struct{ address, mailbox string }

// session is one mail transaction after another on one connection.
type session struct {
	server *Server
	conn   *smtp.Conn
	from   string
	utf8   bool
	to     []recipient
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, o *smtp.MailOptions) error {
	if !o.UTF8 && !ascii(from) { // RFC 6531 section 3.4
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
	s.from, s.utf8 = from, o.UTF8
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !s.utf8 && !ascii(to) {
		return errUTF8
	}
	set, ok := s.server.settings.get()
	if !ok {
		return errNotSetUp
	}
	local, domain := splitAddress(to)
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
	m := Message{
		Time: s.server.now(), Remote: s.conn.Conn().RemoteAddr().String(), Helo: s.conn.Hostname(), From: s.from,
	}
	var boxes []string
	for _, rcpt := range s.to {
		m.To = append(m.To, rcpt.address)
		if !slices.Contains(boxes, rcpt.mailbox) {
			boxes = append(boxes, rcpt.mailbox)
		}
	}
	set, _ := s.server.settings.get()
	m.ID = s.server.unique(m.Time)
	body := &strictReader{r: r}
	paths, size, err := s.server.maildir.store(boxes, m.ID, m.header(set.Hostname, s.utf8), body)
	var protocol *smtp.SMTPError
	switch {
	case err == nil:
	case errors.As(err, &protocol):
		return err
	case body.err != nil: // the client went away
		return err
	default:
		s.server.log().Error("message not stored", "id", m.ID, "error", err)
		return errStorage
	}
	m.Paths, m.Size = paths, size
	s.server.log().Info("message stored", "id", m.ID, "from", m.From, "to", m.To, "size", m.Size)
	if s.server.Delivered != nil {
		s.server.delivered(m)
	}
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.from, s.utf8, s.to = "", false, nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] > 127 {
			return false
		}
	}
	return true
}

// strictReader passes a message on and fails at a bare CR, a bare LF or a NUL. RFC 5321
// section 2.3.8 allows CR and LF only together; servers that disagree on what
// ends a line let one message be smuggled inside another.
type strictReader struct {
	r   io.Reader
	cr  bool  // the last octet was CR
	err error // of r, other than its end
}

func (s *strictReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	for _, c := range p[:n] {
		if s.cr != (c == '\n') || c == 0 {
			return 0, errLineEnds
		}
		s.cr = c == '\r'
	}
	if err == io.EOF && s.cr {
		return 0, errLineEnds
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Message is what is told of a stored message.
type Message struct {
	ID     string
	Time   time.Time
	Remote string // address and port of the client
	Helo   string
	From   string   // envelope sender; "" is the null sender
	To     []string // envelope recipients
	Size   int64    // octets as stored, headers of the receiver included
	Paths  []string // one file for each mailbox
}

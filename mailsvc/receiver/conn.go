package receiver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// bufferSize bounds what is read ahead, in octets, and with it a command line.
const bufferSize = 8 << 10

// handshakeTimeout bounds the TLS handshake of one session.
const handshakeTimeout = 30 * time.Second

// errLeave ends a session after its last reply was written.
var errLeave = errors.New("the session ends")

// conn is one session: it reads a command, answers it, and so on, from the greeting to the end.
// Only stop, abort and waitingSince may be called while serve runs.
type conn struct {
	server   *Server
	raw      net.Conn // as accepted; deadlines are set on it
	hostname string   // what we call ourselves in this session
	tls      *tls.Config

	in  *bufio.Reader
	out *bufio.Writer

	helo     string // the client's name, since TLS
	extended bool   // by EHLO
	command  string // the last command, as it may be told of
	bad      int    // commands refused for good
	idle     int    // commands of no transaction, since the last message
	begun    time.Time
	mails    int  // that were begun
	evicted  bool // guarded by the door
	transaction

	mu       sync.Mutex
	stream   net.Conn  // raw, or TLS on it
	waiting  time.Time // for a command, since; zero: not waiting
	stopping string    // the reply to leave with
}

func (s *Server) newConn(raw net.Conn) *conn {
	return &conn{
		server:   s,
		raw:      raw,
		stream:   raw,
		hostname: s.hostname(),
		tls:      s.tlsConfig(),
		in:       bufio.NewReaderSize(raw, bufferSize),
		out:      bufio.NewWriter(raw),
		begun:    time.Now(),
	}
}

// serve speaks with the client until one of the two leaves.
func (c *conn) serve(ctx context.Context) {
	err := c.reply(&response{code: 220, text: c.hostname + " ESMTP"}) // RFC 5321 section 4.2
	for err == nil {
		var line string
		if line, err = c.readCommand(); err == nil {
			err = c.dispatch(ctx, line)
		}
	}

	if isTimeout(err) { // RFC 5321 section 4.5.3.2
		c.sendLast(&response{421, "4.4.2", c.hostname + " has waited long enough"})
	}

	c.out.Flush()
	c.stream.Close()
}

// dispatch answers one command.
func (c *conn) dispatch(ctx context.Context, line string) error {
	verb, argument, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	if !slices.Contains([]string{"MAIL", "RCPT", "DATA", "BDAT", "QUIT"}, verb) {
		c.idle++
	}

	switch verb {
	case "HELO":
		return c.helloCommand(argument, false)
	case "EHLO":
		return c.helloCommand(argument, true)
	case "STARTTLS":
		return c.startTLSCommand(argument)
	case "MAIL":
		return c.mailCommand(argument)
	case "RCPT":
		return c.rcptCommand(argument)
	case "DATA":
		return c.dataCommand(ctx, argument)
	case "BDAT":
		return c.bdatCommand(ctx, argument)
	case "RSET":
		c.transaction = transaction{}
		return c.reply(okReply)
	case "NOOP":
		return c.reply(okReply)
	case "QUIT":
		return c.sendLast(&response{221, "2.0.0", "bye"})
	case "VRFY":
		return c.reply(&response{252, "2.5.0", "send mail, and see"}) // RFC 5321 section 3.5.3
	case "HELP":
		return c.reply(&response{214, "2.0.0", "RFC 5321 has it"})
	case "EXPN", "ETRN", "TURN":
		return c.reply(&response{502, "5.5.1", "not implemented"})
	case "AUTH":
		return c.reply(&response{504, "5.7.4", "there is no login here"})
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT": // a browser, or somebody who drives one
		return c.sendLast(&response{500, "5.5.2", "this is a mail server"})
	}

	return c.reply(&response{500, "5.5.2", "unknown command"})
}

// reply writes one reply. Those of 4xx and 5xx are told of.
func (c *conn) reply(r *response) error {
	c.tell(r)
	c.raw.SetWriteDeadline(time.Now().Add(c.server.IdleTimeout))
	_, err := io.WriteString(c.out, r.line()+"\r\n")
	return err
}

// sendLast writes the last reply of a session.
func (c *conn) sendLast(r *response) error {
	c.reply(r)
	c.out.Flush()
	return errLeave
}

func (c *conn) tell(r *response) {
	if r.code < 400 {
		return
	}

	if r.code >= 500 {
		c.bad++
	}

	c.server.refused(Refusal{
		Time:    c.server.now(),
		Remote:  c.raw.RemoteAddr().String(),
		Helo:    c.helo,
		TLS:     c.cipher(),
		From:    c.from,
		Command: c.command,
		Reply:   r.line(),
	})
}

// fill waits until there is something to read, having sent every reply. Within a message the end
// of the connection is not the message's end, so it is io.ErrUnexpectedEOF.
func (c *conn) fill(deadline time.Time) error {
	if c.in.Buffered() > 0 {
		return nil
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	if err := c.raw.SetReadDeadline(deadline); err != nil {
		return err
	}

	_, err := c.in.Peek(1)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}

	return err
}

// secure reports whether TLS is on.
func (c *conn) secure() bool {
	_, on := c.stream.(*tls.Conn)
	return on
}

// cipher returns the version and the cipher of TLS, "" in the clear.
func (c *conn) cipher() string {
	t, on := c.stream.(*tls.Conn)
	if !on {
		return ""
	}
	state := t.ConnectionState()
	return tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
}

// stop ends the session at its next command with a reply: at once when it waits for one.
func (c *conn) stop(reply string) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if c.stopping == "" {
		c.stopping = reply
	}

	if !c.waiting.IsZero() {
		c.raw.SetReadDeadline(time.Now())
	}
}

// abort ends the session in the middle of whatever it does.
func (c *conn) abort() {
	c.mu.Lock()
	stream := c.stream
	c.mu.Unlock()
	c.raw.SetWriteDeadline(time.Now().Add(time.Second))
	io.WriteString(stream, "421 4.3.2 "+c.hostname+" is shutting down\r\n")
	c.raw.Close()
}

// waitingSince is when the session began to wait for a command; zero while it does something.
func (c *conn) waitingSince() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// wait says since when the session waits for a command, and returns the reply to stop with.
func (c *conn) wait(since time.Time) (stopping string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = since
	return c.stopping
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

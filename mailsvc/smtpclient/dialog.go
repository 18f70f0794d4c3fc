package smtpclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/redact"
	"github.com/mailpub/mailpub/plan/trace"
)

// Dial connects to a server; net.Dialer.DialContext is one.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Limits of what a server may say. RFC 5321 section 4.5.3.1.5 allows 512 octets a reply line;
// some greetings are longer.
const (
	maxReplyLine  = 4096
	maxReplyLines = 100
)

// StepTimeout bounds each step of a dialog. RFC 5321 section 4.5.3.2 gives minutes; servers that delay
// their replies to drive spam away (tarpits) take up to some 20 s a step.
const StepTimeout = 30 * time.Second

// DialTimeout bounds the wait for a connection.
const DialTimeout = 10 * time.Second

// GreetingTimeout bounds the wait for a greeting: many servers hold theirs back for up to a minute, as
// those who send spam do not wait (postscreen_greet_wait, Exim's delay, greet_pause).
const GreetingTimeout = 62 * time.Second

// InvalidDomain is the domain of what the checks write. It is a name that nobody has (RFC 6761).
const InvalidDomain = "mailpub.invalid"

// CanonicalHost makes names comparable: case and a final dot don't count.
func CanonicalHost(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// Conn is a conversation with an SMTP server. Not safe for concurrent use.
type Conn struct {
	conn     net.Conn
	in       *bufio.Reader
	Greeting Reply
	Hello    Reply  // to EHLO; zero before
	Name     string // said in EHLO; "" is the own address
	secure   bool   // TLS is on
	asked    bool   // for a part of a login (334)
}

// Connect connects and reads the greeting. An error means that there was none.
func Connect(ctx context.Context, dial Dial, addr string) (*Conn, error) {
	if dial == nil {
		dial = egress.Dialer().DialContext
	}

	for pause := connectionPause; ; pause *= 2 {
		d, err := connectOnce(ctx, dial, addr)
		if err != nil || !d.Greeting.tooManyConnections() || pause > maxConnectionPause {
			return d, err
		}

		d.Drop()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Pauses before a connection is tried again that the server refused as there are too many at a time: the first, and the
// longest. Together they are some 6 s.
const (
	connectionPause    = 200 * time.Millisecond
	maxConnectionPause = 3200 * time.Millisecond
)

func connectOnce(ctx context.Context, dial Dial, addr string) (*Conn, error) {
	end := trace.Start(ctx, "smtp", addr, "connect")
	d, err := dialOnce(ctx, dial, addr)
	end(err)
	return d, err
}

func dialOnce(ctx context.Context, dial Dial, addr string) (*Conn, error) {
	stepCtx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()

	conn, err := dial(stepCtx, "tcp", addr)
	if err != nil {
		return nil, err
	}

	d := &Conn{conn: conn, in: bufio.NewReaderSize(conn, maxReplyLine)}
	if d.Greeting, err = d.readWithin(ctx, GreetingTimeout); err != nil {
		conn.Close()
		err = fmt.Errorf("no greeting: %w", err)
		if once, ok := conn.(*onceConn); ok {
			once.noGreeting(err)
		}
		return nil, err
	}

	return d, nil
}

// Greet says EHLO, with Name or else the address that the dialog speaks from.
func (d *Conn) Greet(ctx context.Context) (err error) {
	name := d.Name
	if name == "" {
		name = helloName(d.conn)
	}

	d.Hello, err = d.Command(ctx, "EHLO "+name)
	if err == nil && !d.Hello.Accepted() {
		err = fmt.Errorf("%w %s", errHello, d.Hello)
	}

	return err
}

// Command sends one command and reads the reply.
func (d *Conn) Command(ctx context.Context, line string) (Reply, error) {
	if strings.ContainsAny(line, "\r\n") {
		return Reply{}, fmt.Errorf("command %q has a line end in it", line)
	}

	shown := d.shownCommand(line)
	end := trace.Start(ctx, "smtp", d.peer(), shown)
	trace.Wire(ctx, "smtp", d.peer(), trace.Sent, shown)
	r, err := d.command(ctx, line)
	end(err)

	return r, err
}

// peer is the address of the server.
func (d *Conn) peer() string {
	if d.conn == nil || d.conn.RemoteAddr() == nil {
		return ""
	}
	return d.conn.RemoteAddr().String()
}

// shownCommand is a command without a login (RFC 4954).
func (d *Conn) shownCommand(line string) string {
	words := strings.Fields(line)
	switch {
	case d.asked:
		return redact.Mark
	case len(words) > 2 && strings.EqualFold(words[0], "AUTH"):
		return words[0] + " " + words[1] + " " + redact.Mark
	}

	return line
}

func (d *Conn) command(ctx context.Context, line string) (Reply, error) {
	if err := d.Send(ctx, line+"\r\n"); err != nil {
		return Reply{}, err
	}
	return d.ReadReply(ctx)
}

func (d *Conn) Send(ctx context.Context, text string) error {
	if err := d.conn.SetWriteDeadline(Deadline(ctx)); err != nil {
		return err
	}
	_, err := d.conn.Write([]byte(text))
	return err
}

// Deadline is the deadline of one step.
func Deadline(ctx context.Context) time.Time { return deadline(ctx, StepTimeout) }

func deadline(ctx context.Context, timeout time.Duration) time.Time {
	step := time.Now().Add(timeout)
	if end, ok := ctx.Deadline(); ok && end.Before(step) {
		return end
	}
	return step
}

// ReadReply reads one reply, all its lines under one deadline.
func (d *Conn) ReadReply(ctx context.Context) (Reply, error) {
	return d.readWithin(ctx, StepTimeout)
}

func (d *Conn) readWithin(ctx context.Context, timeout time.Duration) (Reply, error) {
	r, err := d.readLines(ctx, timeout)
	d.asked = r.Code == 334
	if trace.Observed(ctx) && err == nil {
		trace.Wire(ctx, "smtp", d.peer(), trace.Received,
			fmt.Sprintf("%d %s", r.Code, strings.Join(r.Lines, "\n")))
	}
	return r, err
}

func (d *Conn) readLines(ctx context.Context, timeout time.Duration) (Reply, error) {
	if err := d.conn.SetReadDeadline(deadline(ctx, timeout)); err != nil {
		return Reply{}, err
	}

	stop := context.AfterFunc(ctx, func() { d.conn.SetReadDeadline(time.Now()) })
	defer stop()

	var r Reply
	for len(r.Lines) < maxReplyLines {
		line, err := d.line()
		if err != nil {
			return Reply{}, err
		}

		code, text, more, err := parseReply(line)
		if err != nil {
			return Reply{}, err
		}
		if r.Code != 0 && code != r.Code {
			return Reply{}, fmt.Errorf("reply changes its code from %d to %d", r.Code, code)
		}

		r.Code = code
		r.Lines = append(r.Lines, text)
		if !more {
			return r, nil
		}
	}

	return Reply{}, fmt.Errorf("reply has more than %d lines", maxReplyLines)
}

func (d *Conn) line() (string, error) {
	line, err := d.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("reply line is longer than %d octets", maxReplyLine)
	case err != nil:
		return "", err
	}

	return strings.TrimRight(string(line), "\r\n"), nil
}

// transaction says MAIL and RCPT, and takes it back with RSET. No message is sent.
func (d *Conn) transaction(ctx context.Context, from, to string) (mail, rcpt Reply, err error) {
	if mail, err = d.Mail(ctx, from); err != nil {
		return mail, rcpt, err
	}

	if mail.Accepted() {
		if rcpt, err = d.Command(ctx, "RCPT TO:"+to); err != nil {
			return mail, rcpt, err
		}
	}

	_, err = d.Command(ctx, "RSET")
	return mail, rcpt, err
}

// Mail says MAIL, under TLS if the server wants that first.
func (d *Conn) Mail(ctx context.Context, from string) (Reply, error) {
	return d.secured(ctx, "MAIL FROM:"+from)
}

// secured sends one command. A server that wants TLS first (530, RFC 3207 section 4) gets it.
func (d *Conn) secured(ctx context.Context, line string) (Reply, error) {
	r, err := d.Command(ctx, line)
	if err != nil || r.Code != 530 || d.secure || !d.Offers("STARTTLS") {
		return r, err
	}
	if _, err := d.StartTLS(ctx, ""); err != nil {
		return r, err
	}
	if err := d.Greet(ctx); err != nil {
		return r, err
	}

	return d.Command(ctx, line)
}

// Deliver sends a message. The reply is that of the step that decided.
func (d *Conn) Deliver(ctx context.Context, from, to, message string) (step string, r Reply, err error) {
	if r, err = d.Mail(ctx, from); err != nil || r.Code/100 > 3 {
		return "MAIL FROM:" + from, r, err
	}

	for _, step = range []string{"RCPT TO:" + to, "DATA"} {
		if r, err = d.Command(ctx, step); err != nil || r.Code/100 > 3 {
			return step, r, err
		}
	}

	if r.Code != 354 { // RFC 5321 section 4.3.2
		return step, r, fmt.Errorf("want 354, not %s", r)
	}
	if err = d.Send(ctx, message+"\r\n.\r\n"); err != nil {
		return "message", r, err
	}

	r, err = d.ReadReply(ctx)
	return "message", r, err
}

// Offers reports whether the answer to EHLO has a keyword, "AUTH".
func (d *Conn) Offers(keyword string) bool {
	return slices.ContainsFunc(d.Hello.Lines, func(l string) bool {
		words := strings.Fields(strings.Replace(l, "=", " ", 1))
		return len(words) > 0 && strings.EqualFold(words[0], keyword)
	})
}

// OffersPlain reports whether the answer to EHLO has AUTH PLAIN (RFC 4954 section 3, RFC 4616).
func (d *Conn) OffersPlain() bool {
	return slices.ContainsFunc(d.Hello.Lines, func(l string) bool {
		words := strings.Fields(strings.ToUpper(strings.Replace(l, "=", " ", 1)))
		return len(words) > 1 && words[0] == "AUTH" && slices.Contains(words, "PLAIN")
	})
}

// Drop closes the connection without QUIT, in the middle of whatever was said.
func (d *Conn) Drop() { d.conn.Close() }

// Close takes leave, without waiting for long, and closes the connection.
func (d *Conn) Close() {
	d.conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := d.conn.Write([]byte("QUIT\r\n")); err == nil {
		d.in.ReadSlice('\n')
	}
	d.conn.Close()
}

package mailsvc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Dial connects to a server; net.Dialer.DialContext is one.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Limits of what a server may say. RFC 5321 section 4.5.3.1.5 allows 512 octets a reply line;
// some greetings are longer.
const (
	maxReplyLine  = 4096
	maxReplyLines = 100
)

// stepTimeout bounds each step of a dialog. RFC 5321 section 4.5.3.2 gives minutes; who
// waits that long for a greeting does not call it working.
const stepTimeout = 10 * time.Second

// noDomain is the domain of what the checks write. It is a name that nobody has (RFC 6761).
const noDomain = "mailpub.invalid"

// helloName is what the checks call themselves: the address that they speak from, as
// RFC 5321 section 4.1.3 has it for a host without a name. Servers refuse names that do
// not resolve.
func helloName(conn net.Conn) string {
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return noDomain
	}
	a := local.AddrPort().Addr().Unmap().WithZone("")
	if a.Is6() {
		return "[IPv6:" + a.String() + "]"
	}
	return "[" + a.String() + "]"
}

// Reply is what a server answered.
type Reply struct {
	Code  int
	Lines []string // text without the codes
}

// String returns the reply on one line, shortened.
func (r Reply) String() string {
	text := strings.Join(r.Lines, " / ")
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return strconv.Itoa(r.Code) + " " + text
}

func (r Reply) accepted() bool { return r.Code/100 == 2 }
func (r Reply) refused() bool  { return r.Code/100 == 5 }

// Name returns the first word of the reply: in a greeting and in the answer to EHLO the
// server's own name (RFC 5321 sections 4.2 and 4.1.1.1).
func (r Reply) Name() string {
	if len(r.Lines) == 0 {
		return ""
	}
	name, _, _ := strings.Cut(r.Lines[0], " ")
	return hostName(name)
}

// hostName makes names comparable: case and a final dot don't count.
func hostName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// dialog is a conversation with an SMTP server. Not safe for concurrent use.
type dialog struct {
	conn     net.Conn
	in       *bufio.Reader
	Greeting Reply
	Hello    Reply // to EHLO; zero before
}

// open connects and reads the greeting. An error means that there was none.
func open(ctx context.Context, dial Dial, addr string) (*dialog, error) {
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	stepCtx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	conn, err := dial(stepCtx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	d := &dialog{conn: conn, in: bufio.NewReaderSize(conn, maxReplyLine)}
	if d.Greeting, err = d.read(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("no greeting: %w", err)
	}
	return d, nil
}

// greet says EHLO.
func (d *dialog) greet(ctx context.Context) (err error) {
	d.Hello, err = d.say(ctx, "EHLO "+helloName(d.conn))
	if err == nil && !d.Hello.accepted() {
		err = fmt.Errorf("EHLO was answered %s", d.Hello)
	}
	return err
}

// hello opens a dialog and says EHLO.
func hello(ctx context.Context, dial Dial, addr string) (*dialog, error) {
	d, err := open(ctx, dial, addr)
	if err != nil {
		return nil, err
	}
	if d.Greeting.Code != 220 {
		err = fmt.Errorf("greeting is %s", d.Greeting)
	} else {
		err = d.greet(ctx)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// say sends one command and reads the reply.
func (d *dialog) say(ctx context.Context, line string) (Reply, error) {
	if strings.ContainsAny(line, "\r\n") {
		return Reply{}, fmt.Errorf("command %q has a line end in it", line)
	}
	if err := d.send(ctx, line+"\r\n"); err != nil {
		return Reply{}, err
	}
	return d.read(ctx)
}

func (d *dialog) send(ctx context.Context, text string) error {
	if err := d.conn.SetWriteDeadline(until(ctx)); err != nil {
		return err
	}
	_, err := d.conn.Write([]byte(text))
	return err
}

// until is the deadline of one step.
func until(ctx context.Context) time.Time {
	step := time.Now().Add(stepTimeout)
	if end, ok := ctx.Deadline(); ok && end.Before(step) {
		return end
	}
	return step
}

// read reads one reply, all its lines under one deadline.
func (d *dialog) read(ctx context.Context) (Reply, error) {
	if err := d.conn.SetReadDeadline(until(ctx)); err != nil {
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
		r.Code, r.Lines = code, append(r.Lines, text)
		if !more {
			return r, nil
		}
	}
	return Reply{}, fmt.Errorf("reply has more than %d lines", maxReplyLines)
}

func (d *dialog) line() (string, error) {
	line, err := d.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("reply line is longer than %d octets", maxReplyLine)
	case err != nil:
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// parseReply takes a reply line apart (RFC 5321 section 4.2).
func parseReply(line string) (code int, text string, more bool, err error) {
	if len(line) < 3 {
		return 0, "", false, fmt.Errorf("%q is no SMTP reply", shorten(line))
	}
	code, err = strconv.Atoi(line[:3])
	if err != nil || code < 200 || code > 599 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, "", false, fmt.Errorf("%q is no SMTP reply", shorten(line))
	}
	if len(line) > 4 {
		text = line[4:]
	}
	return code, text, len(line) > 3 && line[3] == '-', nil
}

func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}

// transaction says MAIL and RCPT, and takes it back with RSET. No message is sent.
func (d *dialog) transaction(ctx context.Context, from, to string) (mail, rcpt Reply, err error) {
	if mail, err = d.say(ctx, "MAIL FROM:"+from); err != nil {
		return mail, rcpt, err
	}
	if mail.accepted() {
		if rcpt, err = d.say(ctx, "RCPT TO:"+to); err != nil {
			return mail, rcpt, err
		}
	}
	_, err = d.say(ctx, "RSET")
	return mail, rcpt, err
}

// deliver sends a message. The reply is that of the step that decided.
func (d *dialog) deliver(ctx context.Context, from, to, message string) (step string, r Reply, err error) {
	for _, step = range []string{"MAIL FROM:" + from, "RCPT TO:" + to, "DATA"} {
		if r, err = d.say(ctx, step); err != nil || r.Code/100 > 3 {
			return step, r, err
		}
	}
	if r.Code != 354 { // RFC 5321 section 4.3.2
		return step, r, fmt.Errorf("want 354, not %s", r)
	}
	if err = d.send(ctx, message+"\r\n.\r\n"); err != nil {
		return "message", r, err
	}
	r, err = d.read(ctx)
	return "message", r, err
}

// offersPlain reports whether the answer to EHLO has AUTH PLAIN (RFC 4954 section 3, RFC 4616).
func (d *dialog) offersPlain() bool {
	return slices.ContainsFunc(d.Hello.Lines, func(l string) bool {
		words := strings.Fields(strings.ToUpper(strings.Replace(l, "=", " ", 1)))
		return len(words) > 1 && words[0] == "AUTH" && slices.Contains(words, "PLAIN")
	})
}

// drop closes the connection without QUIT, in the middle of whatever was said.
func (d *dialog) drop() { d.conn.Close() }

// close takes leave, without waiting for long, and closes the connection.
func (d *dialog) close() {
	d.conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := d.conn.Write([]byte("QUIT\r\n")); err == nil {
		d.in.ReadSlice('\n')
	}
	d.conn.Close()
}

// Greeting connects to an SMTP server and returns what it says first. dial may be nil.
func Greeting(ctx context.Context, dial Dial, addr string) (Reply, error) {
	d, err := open(ctx, dial, addr)
	if err != nil {
		return Reply{}, err
	}
	defer d.close()
	return d.Greeting, nil
}

// Answers is the gate before MX: it returns nil when something answers at addr as the mail
// host, by greeting and EHLO. dial may be nil.
func Answers(ctx context.Context, dial Dial, addr, hostname string) error {
	d, err := hello(ctx, dial, addr)
	if err != nil {
		return fmt.Errorf("no mail server answers at %s: %w", addr, err)
	}
	defer d.close()
	switch name := hostName(hostname); {
	case d.Greeting.Name() != name:
		return fmt.Errorf("%s answers, but its greeting is %q, want the name %s", addr, d.Greeting, hostname)
	case d.Hello.Name() != name:
		return fmt.Errorf("%s answers, but its answer to EHLO is %q, want the name %s", addr, d.Hello, hostname)
	}
	return nil
}

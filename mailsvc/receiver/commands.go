package receiver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// maxCommand is the longest command line, with room beyond the 512 octets of RFC 5321
	// section 4.5.3.1.4 for extensions.
	maxCommand = 2000

	// maxBad is how many commands of a session may be refused for good: who goes on looks
	// for mailboxes that exist.
	maxBad = 100

	// maxIdle is how many commands that are of no transaction a session may have between two
	// messages, as Postfix counts them (smtpd_junk_command_limit).
	maxIdle = 100
)

// redactCommand returns a command line as it may be told of: not what AUTH says, and not all of an endless one.
func redactCommand(line []byte) string {
	text := strings.TrimRight(string(line[:min(len(line), maxCommand)]), "\r\n")
	if len(text) >= 4 && strings.EqualFold(text[:4], "AUTH") {
		return text[:4]
	}
	return text
}

// readCommand reads a command line. What is refused for its form ends the session: nobody knows
// how its sender goes on.
func (c *conn) readCommand() (string, error) {
	switch {
	case c.bad > maxBad:
		return "", c.sendLast(&response{421, "4.7.0", "too many commands that are refused"})
	case c.idle > maxIdle:
		return "", c.sendLast(&response{421, "4.7.0", "too many commands without a message"})
	}

	line, err := c.readLine()
	if err != nil {
		return "", err
	}

	c.command = redactCommand(line)
	if problem := syntaxProblem(line); problem != "" {
		return "", c.sendLast(&response{500, "5.5.2", problem})
	}

	return string(line[:len(line)-2]), nil
}

// readLine reads one line, which may be too long. When the session is to stop it takes leave
// instead (RFC 5321 section 3.8).
func (c *conn) readLine() (line []byte, err error) {
	if err := c.out.Flush(); c.in.Buffered() == 0 && err != nil {
		return nil, err
	}

	now := time.Now()
	deadline := now.Add(c.server.patience())
	if end := c.begun.Add(c.server.SessionTimeout); end.Before(deadline) {
		deadline = end
	}

	c.raw.SetReadDeadline(deadline)
	stopping := c.wait(now)
	if stopping == "" {
		line, err = c.in.ReadSlice('\n')
		stopping = c.wait(time.Time{})
		if err == nil {
			stopping = ""
		}
	}

	if stopping != "" {
		c.command = ""
		return nil, c.sendLast(&response{421, "4.3.2", stopping})
	}

	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}

	if isTimeout(err) {
		c.command = redactCommand(line)
	}

	return line, err
}

// syntaxProblem says what is wrong with the form of a command line.
func syntaxProblem(line []byte) string {
	switch {
	case len(line) > maxCommand:
		return "line too long"
	case !bytes.HasSuffix(line, []byte("\r\n")):
		return "lines end in CR LF"
	}

	for _, c := range line[:len(line)-2] {
		if c < ' ' && c != '\t' || c == 0x7f {
			return "control character in a command"
		}
	}

	return ""
}

// helloCommand answers HELO and EHLO, which end a transaction (RFC 5321 section 4.1.4).
func (c *conn) helloCommand(argument string, extended bool) error {
	words := strings.Fields(argument)
	if len(words) == 0 {
		return c.reply(&response{501, "5.5.4", "want the name of your host"})
	}

	c.helo = words[0]
	c.extended = extended
	c.transaction = transaction{}

	if !extended {
		return c.reply(&response{code: 250, text: c.hostname})
	}

	size := fmt.Sprintf("SIZE %d", c.server.MaxSize) // RFC 1870 section 4
	lines := []string{c.hostname, "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8",
		size}

	if c.tls != nil && !c.secure() {
		lines = append(lines, "STARTTLS")
	}

	c.raw.SetWriteDeadline(time.Now().Add(c.server.IdleTimeout))
	for _, l := range lines {
		c.out.WriteString("250-" + l + "\r\n")
	}

	_, err := c.out.WriteString("250 CHUNKING\r\n")
	return err
}

// startTLSCommand begins TLS and forgets what the client said before (RFC 3207 section 4.2).
func (c *conn) startTLSCommand(argument string) error {
	switch {
	case c.tls == nil:
		return c.reply(&response{502, "5.5.1", "TLS is not offered"})
	case c.secure():
		return c.reply(&response{503, "5.5.1", "TLS is on already"})
	case argument != "":
		return c.reply(&response{501, "5.5.4", "STARTTLS has no argument"})
	case c.in.Buffered() > 0: // whoever added it wants it taken for what comes under TLS
		return c.sendLast(&response{501, "5.5.1", "nothing may follow STARTTLS before TLS"})
	}

	if err := errors.Join(c.reply(&response{220, "2.0.0", "go ahead"}),
		c.out.Flush()); err != nil {
		return err
	}

	c.raw.SetDeadline(time.Now().Add(min(handshakeTimeout, c.server.patience())))
	secure := tls.Server(c.raw, c.tls)
	if err := secure.Handshake(); err != nil {
		c.server.handshakeFailed(c, err)
		return errLeave
	}

	c.server.counters.count(func(s *Stats) { s.TLS++ })
	c.mu.Lock()
	c.stream = secure
	c.mu.Unlock()
	c.in.Reset(secure)
	c.out.Reset(secure)
	c.helo = ""
	c.extended = false
	c.transaction = transaction{}

	return nil
}

// mailCommand begins a transaction (RFC 5321 section 4.1.1.2).
func (c *conn) mailCommand(argument string) error {
	switch {
	case c.helo == "": // RFC 5321 section 4.1.4, and again after STARTTLS
		return c.reply(errNoHello)
	case c.begunMail: // section 4.1.4
		return c.reply(errNested)
	}

	from, parameters, err := parsePath(argument, "FROM:")
	if err != nil {
		return c.reply(&response{501, "5.5.2", err.Error()})
	}

	o, refusal := c.mailParameters(parameters)
	if refusal == nil {
		refusal = c.server.acceptSender(c, from, o)
	}

	if refusal != nil {
		return c.reply(refusal)
	}

	c.transaction = transaction{begunMail: true, from: from, utf8: o.utf8}
	c.mails++
	return c.reply(okReply)
}

// rcptCommand adds a recipient (RFC 5321 section 4.1.1.3).
func (c *conn) rcptCommand(argument string) error {
	if !c.begunMail || c.inChunks {
		return c.reply(errOrder)
	}

	to, parameters, err := parsePath(argument, "TO:")
	switch {
	case err != nil:
		return c.reply(&response{501, "5.5.2", err.Error()})
	case to == "":
		return c.reply(&response{501, "5.1.3", "a recipient is missing"})
	case len(parameters) > 0: // DSN is not offered
		return c.reply(&response{555, "5.5.4", "unknown parameter"})
	case len(c.to) >= c.server.MaxRecipients: // RFC 5321 section 4.5.3.1.10
		return c.reply(&response{452, "4.5.3",
			"too many recipients, please send to the others later"})
	}

	r, refusal := c.server.acceptRecipient(c, to)
	if refusal != nil {
		return c.reply(refusal)
	}

	c.to = append(c.to, r)
	return c.reply(okReply)
}

// dataCommand takes a message up to its dot (RFC 5321 section 4.1.1.4).
func (c *conn) dataCommand(ctx context.Context, argument string) error {
	switch {
	case argument != "":
		return c.reply(&response{501, "5.5.4", "DATA has no argument"})
	case !c.begunMail || c.inChunks:
		return c.reply(errOrder)
	case len(c.to) == 0:
		return c.reply(errNoRcpt)
	}

	if err := c.reply(&response{
		code: 354,
		text: "end with a dot on a separate line",
	}); err != nil {
		return err
	}

	content := &dotted{conn: c, until: time.Now().Add(c.server.MessageTimeout)}
	refusal := c.take(ctx, content)
	if err := content.drain(); err != nil {
		return c.rejectIncomplete(err)
	}

	c.endMessage()
	if err := c.reply(refusal); err != nil {
		return err
	}
	if content.body.dirty { // what follows may be part of the message for whoever passed it on
		return c.sendLast(&response{421, "4.7.0",
			"please come back with lines that end in CR LF"})
	}

	return nil
}

// bdatCommand takes a message in chunks (RFC 3030 section 2). The chunks after the first one, and
// what a client says between them, are read by the content.
func (c *conn) bdatCommand(ctx context.Context, argument string) error {
	size, last, ok := chunkSize(argument)
	if !ok { // nobody knows how many octets follow
		return c.sendLast(&response{501, "5.5.4", "want BDAT SIZE or BDAT SIZE LAST"})
	}

	content := &chunked{
		conn:  c,
		left:  size,
		last:  last,
		until: time.Now().Add(c.server.MessageTimeout),
	}

	if !c.begunMail || len(c.to) == 0 {
		refusal := errOrder
		if c.begunMail {
			refusal = errNoRcpt
		}

		if err := content.skip(); err != nil {
			return c.rejectIncomplete(err)
		}

		return c.reply(refusal)
	}

	c.inChunks = true
	refusal := c.take(ctx, content)
	switch {
	case content.quit != nil: // the client left, or the session is to stop
		return content.quit
	case content.given: // up, by RSET or EHLO, which were answered
		return nil
	}

	if err := content.skip(); err != nil {
		return c.rejectIncomplete(err)
	}

	c.endMessage()
	return c.reply(refusal)
}

// endMessage ends a transaction after its message came whole.
func (c *conn) endMessage() {
	c.transaction = transaction{}
	c.idle = 0
	c.begun = time.Now()
}

// rejectIncomplete answers a message that stalled or whose client went away: it is to come again, and
// the session ends, as the rest of it may still be on its way.
func (c *conn) rejectIncomplete(err error) error {
	c.server.log().Info("message broke off", "remote", c.raw.RemoteAddr().String(), "error",
		err)
	return c.sendLast(errBrokenOff)
}

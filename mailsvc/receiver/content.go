package receiver

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errGivenUp ends the content of a message that its client gave up between two chunks.
var errGivenUp = errors.New("the client gave the message up")

// dotted is the content of a message that DATA brings: it ends at a dot on a line of its own.
type dotted struct {
	conn  *conn
	until time.Time // when the message must be here

	body    body
	inLine  bool   // something of this line was passed on, or its first dot taken off
	pending []byte // cleaned and not read yet
	scratch []byte
	ended   bool
	err     error // of the connection; what broke off stays so
}

// Read implements io.Reader.
func (d *dotted) Read(p []byte) (int, error) {
	for len(d.pending) == 0 {
		switch {
		case d.err != nil:
			return 0, d.err
		case d.body.dirty:
			return 0, errLineEnds
		case d.ended:
			return 0, io.EOF
		}

		d.next()
	}

	n := copy(p, d.pending)
	d.pending = d.pending[n:]
	return n, nil
}

// next takes what is there of the message, and nothing of what follows it.
func (d *dotted) next() {
	if d.err = d.conn.fillContent(d.until); d.err != nil {
		return
	}

	part, _ := d.conn.in.Peek(d.conn.in.Buffered())
	clean, n, end := d.body.take(d.scratch[:0], part)
	d.scratch = clean
	d.pending = d.unstuff(clean)

	if end { // the line end behind the dot, which unstuff took off
		d.pending = d.pending[:len(d.pending)-len("\r\n")]
	}

	d.ended = end
	_, d.err = d.conn.in.Discard(n)
}

// unstuff takes the first dot off each line, in place (RFC 5321 section 4.5.2).
func (d *dotted) unstuff(text []byte) []byte {
	out := text[:0]
	for _, c := range text {
		if c == '.' && !d.inLine {
			d.inLine = true
			continue
		}
		d.inLine = c != '\n'
		out = append(out, c)
	}

	return out
}

// drain reads up to the end of a message that nobody wants any more.
func (d *dotted) drain() error {
	for !d.ended && d.err == nil {
		d.next()
	}
	return d.err
}

// chunked is the content of a message that BDAT brings (RFC 3030). Behind a chunk that is not the
// last it answers what the client says, up to the next one.
type chunked struct {
	conn  *conn
	until time.Time

	left  int64 // octets of this chunk
	last  bool
	err   error // of the connection, within a chunk
	given bool  // up by the client, which was answered
	quit  error // what the session ends with, between two chunks
}

// Read implements io.Reader.
func (c *chunked) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.last {
			return 0, io.EOF
		}
		if !c.nextChunk() {
			return 0, errGivenUp
		}
	}

	if c.err == nil {
		c.err = c.conn.fillContent(c.until)
	}

	if c.err != nil {
		return 0, c.err
	}

	n, err := c.conn.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// nextChunk says that a chunk is here and reads commands up to the next; false when there will be none.
func (c *chunked) nextChunk() bool {
	if c.quit = c.conn.reply(okReply); c.quit != nil {
		return false
	}

	for {
		line, err := c.conn.readCommand()
		if err != nil {
			c.quit = err
			return false
		}

		verb, argument, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		if verb == "BDAT" {
			size, last, ok := chunkSize(argument)
			if !ok { // nobody knows how many octets follow
				c.quit = c.conn.sendLast(&response{501, "5.5.4",
					"want BDAT SIZE or BDAT SIZE LAST"})
				return false
			}

			c.left = size
			c.last = last
			return true
		}

		if c.quit = c.conn.dispatch(c.conn.server.context, line); c.quit != nil {
			return false
		}

		if slices.Contains([]string{"RSET", "EHLO", "HELO", "STARTTLS"}, verb) &&
			!c.conn.inChunks {
			c.given = true
			return false
		}
	}
}

// skip reads what is left of this chunk of a message that nobody wants any more.
func (c *chunked) skip() error {
	for c.left > 0 && c.err == nil {
		if c.err = c.conn.fillContent(c.until); c.err != nil {
			break
		}
		var n int
		n, c.err = c.conn.in.Discard(int(min(c.left, int64(c.conn.in.Buffered()))))
		c.left -= int64(n)
	}

	return c.err
}

// fillContent waits for octets of a message: a slow client has time for it, but not for ever (RFC
// 5321 section 4.5.3.2.5).
func (c *conn) fillContent(until time.Time) error {
	now := time.Now()
	if now.After(until) {
		return os.ErrDeadlineExceeded
	}

	deadline := now.Add(c.server.patience())
	if until.Before(deadline) {
		deadline = until
	}

	return c.fill(deadline)
}

// chunkSize reads the argument of BDAT (RFC 3030 section 2).
func chunkSize(argument string) (size int64, last, ok bool) {
	f := strings.Fields(argument)
	if len(f) == 0 || len(f) > 2 || len(f) == 2 && !strings.EqualFold(f[1], "LAST") {
		return 0, false, false
	}
	n, err := strconv.ParseUint(f[0], 10, 32)
	return int64(n), len(f) == 2, err == nil
}

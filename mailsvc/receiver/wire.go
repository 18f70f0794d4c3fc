package receiver

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// wire stands between the network and go-smtp, and puts right what that does otherwise
// than RFC 5321:
//
//   - "RCPT TO:<postmaster>" without a domain is accepted (section 4.5.1),
//   - the greeting has the name that the settings have now,
//   - the reply to EHLO and HELO begins with our name, not the client's (section 4.1.1.1),
//   - a SIZE too large for a number is too large, not bad syntax (RFC 1870 section 6.1),
//   - commands with control characters or ended by a bare LF are refused (section 2.3.8),
//   - a message sent by BDAT that breaks off is not taken for a whole one, and ends the
//     session,
//   - a slow client has time for its message, but not for ever (section 4.5.3.2.5),
//   - TLS begins here, so that all of this holds under it.
//
// It hands on one command line at a time, so that it always knows the reply to the one
// before. Only stop and Close may be called while another method runs.
type wire struct {
	net.Conn        // as accepted; deadlines are set on it
	hostname string // what we call ourselves on this connection
	limits
	tls    *tls.Config // nil does not offer STARTTLS
	closed func()      // called once

	refused func(Refusal) // told of each reply of 4xx and 5xx
	secured func()        // told when TLS has begun
	session *session      // nil before EHLO

	once sync.Once

	mu       sync.Mutex
	stream   net.Conn // Conn, or TLS on it
	waiting  bool     // for a command
	stopping bool

	in      *bufio.Reader // of stream
	pending []byte        // not handed on yet
	verb    string        // of the last command
	command string        // the last command, for who is told of it
	bad     int           // commands that were refused for good
	reply   string        // code of the last reply
	body    body          // the message that DATA brings
	scratch []byte        // for cleaning it
	dirty   bool          // it had line ends that servers disagree on
	octets  int64         // of BDAT, still to come
	chunks  bool          // BDAT has begun a message and not ended it
	until   time.Time     // when the message must be here
	hello   string        // EHLO or HELO, since TLS
	mute    bool          // the next reply answers a command that the client did not give
}

// limits are what a client may take.
type limits struct {
	size    int64         // octets of a message
	idle    time.Duration // between commands, and between parts of a message
	message time.Duration // for a whole message
}

const bufferSize = 8 << 10

func newWire(conn net.Conn, hostname string, l limits, t *tls.Config) *wire {
	return &wire{
		Conn: conn, stream: conn, hostname: hostname, limits: l, tls: t,
		in: bufio.NewReaderSize(conn, bufferSize),
	}
}

// Close implements net.Conn.
func (w *wire) Close() error {
	w.mu.Lock()
	stream := w.stream
	w.mu.Unlock()
	err := stream.Close()
	w.once.Do(func() {
		if w.closed != nil {
			w.closed()
		}
	})
	return err
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.pending) == 0 {
		var err error
		switch {
		case w.octets > 0:
			w.pending, err = w.readChunk()
		case w.verb == "DATA" && w.reply == "354":
			w.pending, err = w.readBody()
		default:
			w.pending, err = w.readCommand()
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(p, w.pending)
	w.pending = w.pending[n:]
	return n, nil
}

// fill waits for octets of a message, and returns those that are there. The end of the
// connection is an error: a message must not end by it.
func (w *wire) fill() ([]byte, error) {
	if w.in.Buffered() == 0 {
		now := time.Now()
		if w.until.IsZero() {
			w.until = now.Add(w.message)
		}
		deadline := now.Add(w.idle)
		if w.until.Before(deadline) {
			deadline = w.until
		}
		if err := w.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
		if _, err := w.in.Peek(1); err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}
	}
	return w.in.Peek(w.in.Buffered())
}

// readChunk hands on octets of BDAT as they are.
func (w *wire) readChunk() ([]byte, error) {
	part, err := w.fill()
	if err != nil {
		return nil, err
	}
	part = part[:min(int64(len(part)), w.octets)]
	w.octets -= int64(len(part))
	_, err = w.in.Discard(len(part))
	return part, err
}

// readBody hands on the octets of DATA up to the end of the message, and not beyond:
// what follows are commands.
func (w *wire) readBody() ([]byte, error) {
	part, err := w.fill()
	if err != nil {
		return nil, err
	}
	clean, n, end := w.body.take(w.scratch[:0], part)
	if end {
		w.dirty = w.body.dirty
		w.verb, w.body = "", body{}
	}
	w.scratch = clean
	_, err = w.in.Discard(n)
	return clean, err
}

// Write implements net.Conn. go-smtp writes one reply line at a time.
func (w *wire) Write(p []byte) (int, error) {
	if w.mute || len(p) < len("250 ") {
		w.mute = false
		return len(p), nil
	}
	first := w.reply == ""
	w.reply = string(p[:3])
	if w.verb == "BDAT" && w.reply != "250" {
		w.chunks = false
	}
	w.tell(p)
	if _, err := w.stream.Write(w.reword(p, first)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// reword returns a reply line as the client is to see it.
func (w *wire) reword(line []byte, first bool) []byte {
	hello := w.reply == "250" && (w.verb == "EHLO" || w.verb == "HELO")
	code := string(line[:4])
	switch {
	case first && w.verb == "" && w.reply == "220":
		return []byte("220 " + w.hostname + " ESMTP\r\n") // RFC 5321 section 4.2
	case first && hello:
		w.hello = w.verb
		out := code + w.hostname + "\r\n"
		if w.verb == "EHLO" && w.tls != nil && !w.secure() {
			out += "250-STARTTLS\r\n"
		}
		return []byte(out)
	case hello && string(line[4:]) == "SIZE\r\n":
		return []byte(code + "SIZE " + strconv.FormatInt(w.size, 10) + "\r\n") // RFC 1870 section 4
	}
	return line
}

// tell tells of a reply that refuses something, and counts it.
func (w *wire) tell(reply []byte) {
	if reply[0] < '4' {
		return
	}
	if reply[0] == '5' {
		w.bad++
	}
	if w.refused == nil {
		return
	}
	r := Refusal{
		Time: time.Now(), Remote: w.RemoteAddr().String(), TLS: w.cipher(), Command: w.command, Reply: strings.TrimRight(string(reply), "\r\n"),
	}
	if s := w.session; s != nil {
		r.Time, r.Helo, r.From = s.server.now(), s.conn.Hostname(), s.from
	}
	w.refused(r)
}

// say writes a reply of our own.
func (w *wire) say(reply string) error {
	w.tell([]byte(reply))
	if err := w.SetWriteDeadline(time.Now().Add(w.idle)); err != nil {
		return err
	}
	_, err := io.WriteString(w.stream, reply+"\r\n")
	return err
}

// leave writes a reply of our own and returns io.EOF, which ends the session.
func (w *wire) leave(reply string) error {
	w.say(reply)
	return io.EOF
}

// secure reports whether TLS is on.
func (w *wire) secure() bool {
	_, on := w.stream.(*tls.Conn)
	return on
}

// cipher returns the version and the cipher of TLS, "" in the clear.
func (w *wire) cipher() string {
	c, on := w.stream.(*tls.Conn)
	if !on {
		return ""
	}
	state := c.ConnectionState()
	return tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
}

// stop ends the session at its next command: at once when it waits for one.
func (w *wire) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = true
	if w.waiting {
		w.SetReadDeadline(time.Now())
	}
}

// wait says whether the session waits for a command, and returns whether it is to stop.
func (w *wire) wait(waiting bool) (stopping bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = waiting
	return w.stopping
}

// abort ends the session in the middle of whatever it does.
func (w *wire) abort() {
	w.mu.Lock()
	stream := w.stream
	w.mu.Unlock()
	w.SetWriteDeadline(time.Now().Add(time.Second))
	io.WriteString(stream, "421 4.3.2 "+w.hostname+" is shutting down\r\n")
	w.Conn.Close()
}

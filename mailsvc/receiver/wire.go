package receiver

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// wire stands between the network and go-smtp, and puts right what that does otherwise
// than RFC 5321:
//
//   - "RCPT TO:<postmaster>" without a domain is accepted (section 4.5.1),
//   - the greeting has the name that the settings have now,
//   - the reply to EHLO and HELO begins with our name, not the client's (section 4.1.1.1),
//   - a SIZE too large for a number is too large, not bad syntax (RFC 1870 section 6.1),
//   - a command that ends in a bare LF is refused (section 2.3.8), with the connection.
//
// It hands on one command line at a time, so that it always knows the reply to the one
// before, and the octets of a message untouched.
type wire struct {
	net.Conn
	hostname string
	in       *bufio.Reader
	closed   func() // called once
	once     sync.Once

	pending []byte // of a line, not handed on yet
	verb    string // of the last command
	reply   string // code of the last reply
	octets  int64  // of BDAT, still to be handed on
	tail    []byte // the last octets of DATA, to see its end
	inData  bool
}

// maxCommand is the longest command line, with room beyond the 512 octets of RFC 5321
// section 4.5.3.1.4 for extensions.
const maxCommand = 2000

func newWire(conn net.Conn, hostname string) *wire {
	return &wire{Conn: conn, hostname: hostname, in: bufio.NewReaderSize(conn, 4096)}
}

// Close implements net.Conn.
func (w *wire) Close() error {
	err := w.Conn.Close()
	w.once.Do(func() {
		if w.closed != nil {
			w.closed()
		}
	})
	return err
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if len(w.pending) == 0 {
		switch {
		case w.octets > 0:
			n, err := w.in.Read(p[:min(int64(len(p)), w.octets)])
			w.octets -= int64(n)
			return n, err
		case w.inData || w.verb == "DATA" && w.reply == "354":
			return w.readData(p)
		}
		line, err := w.command()
		if err != nil {
			return 0, err
		}
		w.pending = line
	}
	n := copy(p, w.pending)
	w.pending = w.pending[n:]
	return n, nil
}

// endOfData is what ends a message, and nothing else (RFC 5321 section 4.1.1.4).
var endOfData = []byte("\r\n.\r\n")

// readData hands on the octets of a message up to what ends it, and not beyond: what
// follows are commands.
func (w *wire) readData(p []byte) (int, error) {
	if !w.inData {
		w.inData, w.tail = true, []byte("\r\n") // a message may be empty: ".CRLF" at once
	}
	if _, err := w.in.Peek(1); err != nil {
		return 0, err
	}
	n := min(w.in.Buffered(), len(p))
	part, err := w.in.Peek(n)
	if err != nil {
		return 0, err
	}
	seen := append(w.tail, part...)
	if end := bytes.Index(seen, endOfData); end >= 0 {
		n = end + len(endOfData) - len(w.tail)
		w.inData, w.verb = false, ""
	}
	seen = seen[:len(w.tail)+n]
	copy(p, part[:n])
	w.tail = bytes.Clone(seen[max(0, len(seen)-len(endOfData)+1):])
	return w.in.Discard(n)
}

// command reads one command line and returns it as go-smtp is to see it.
func (w *wire) command() ([]byte, error) {
	var line []byte
	for {
		part, err := w.in.ReadSlice('\n')
		line = append(line, part...)
		if err == nil || len(line) > maxCommand {
			break
		}
		if err != bufio.ErrBufferFull {
			return nil, err
		}
	}
	if len(line) > maxCommand {
		return line, nil // go-smtp refuses it by its length
	}
	if !bytes.HasSuffix(line, []byte("\r\n")) {
		io.WriteString(w.Conn, "500 5.5.2 lines end in CR LF\r\n")
		return nil, io.EOF
	}
	text := string(line[:len(line)-2])
	verb, rest, _ := strings.Cut(text, " ")
	w.verb, w.reply = strings.ToUpper(strings.TrimSpace(verb)), ""
	switch w.verb {
	case "RCPT":
		text = w.barePostmaster(text)
	case "MAIL":
		text = largeSize(text)
	case "BDAT": // RFC 3030 section 2
		if f := strings.Fields(rest); len(f) > 0 {
			if n, err := strconv.ParseInt(f[0], 10, 63); err == nil {
				w.octets = n
			}
		}
	}
	return []byte(text + "\r\n"), nil
}

// barePostmaster gives postmaster without a domain the domain of the mail host.
func (w *wire) barePostmaster(line string) string {
	const path = "<postmaster>"
	i := strings.Index(line, "<")
	if i < 0 || len(line) < i+len(path) || !strings.EqualFold(line[i:i+len(path)], path) {
		return line
	}
	return line[:i] + "<postmaster@" + w.hostname + ">" + line[i+len(path):]
}

// largeSize writes a SIZE of more digits than go-smtp reads as the largest that it does.
func largeSize(line string) string {
	i := strings.Index(strings.ToUpper(line), " SIZE=")
	if i < 0 {
		return line
	}
	value := line[i+6:]
	if end := strings.IndexByte(value, ' '); end >= 0 {
		value = value[:end]
	}
	if len(value) < 10 || strings.Trim(value, "0123456789") != "" {
		return line
	}
	return strings.Replace(line, value, "4294967295", 1)
}

// Write implements net.Conn. go-smtp writes one reply line at a time.
func (w *wire) Write(p []byte) (int, error) {
	out := p
	if len(p) >= 4 {
		first := w.reply == ""
		w.reply = string(p[:3])
		if first && w.reply == "220" && w.verb == "" {
			out = []byte("220 " + w.hostname + " ESMTP\r\n")
		}
		if first && w.reply == "250" && (w.verb == "EHLO" || w.verb == "HELO") {
			out = []byte("250" + string(p[3]) + w.hostname + "\r\n")
			if rest := bytes.IndexByte(p, '\n'); rest >= 0 {
				out = append(out, p[rest+1:]...)
			}
		}
	}
	if _, err := w.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

package nat

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxHead bounds the header of a router's answer.
const maxHead = 32 << 10

// afterLength is how long is waited for what a router sends beyond the length that it told.
const afterLength = 300 * time.Millisecond

// tolerantConn is a connection to a router whose one answer is mended while it is read: header lines that
// are none are left out, and where the answer ends is seen by what it is and not only by the length
// that the router tells, as some count characters for octets, or keep the connection open.
type tolerantConn struct {
	net.Conn
	from *bufio.Reader

	head []byte // mended, and not read yet
	past bool   // the header is through
	raw  bool   // what follows is handed on as it is

	length int64 // told; -1: none
	body   int64 // read so far
	tail   []byte
	whole  bool
}

// dialTolerant makes tolerant connections of a dialer's connections.
func dialTolerant(d *net.Dialer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &tolerantConn{Conn: c, from: bufio.NewReader(c)}, nil
	}
}

func (r *tolerantConn) Read(p []byte) (int, error) {
	if !r.past {
		if err := r.readHead(); err != nil {
			return 0, err
		}
	}

	switch {
	case len(r.head) > 0:
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	case r.raw:
		return r.from.Read(p)
	case r.whole:
		return 0, io.EOF
	}

	return r.readBody(p)
}

// readHead reads a header and applies the changes. One of an interim answer is passed over.
func (r *tolerantConn) readHead() error {
	var lines []string
	for size := 0; ; {
		line, err := r.from.ReadString('\n')
		size += len(line)
		text := strings.TrimRight(line, "\r\n")

		switch {
		case err != nil && size == 0:
			return err
		case err != nil || size > maxHead || len(lines) == 0 && !isStatusLine(text):
			r.head = []byte(strings.Join(lines, "\r\n") + line)
			r.raw = true
			r.past = true
			return nil
		case text != "":
			lines = append(lines, text)
			continue
		case strings.HasPrefix(strings.Fields(lines[0])[1], "1"):
			lines, size = nil, 0
			continue
		}

		r.mendHead(lines)
		r.past = true
		r.whole = r.length == 0

		return nil
	}
}

func isStatusLine(s string) bool {
	f := strings.Fields(s)
	return len(f) >= 2 && strings.HasPrefix(strings.ToUpper(f[0]), "HTTP/")
}

// readBody reads until the answer is whole, or the router ends it.
func (r *tolerantConn) readBody(p []byte) (int, error) {
	if r.length >= 0 && r.body >= r.length {
		// All that was told is there, and it is no whole document.
		_ = r.SetReadDeadline(time.Now().Add(afterLength))
	}

	n, err := r.from.Read(p)
	r.body += int64(n)
	r.tail = append(r.tail, p[:n]...)
	r.tail = r.tail[max(0, len(r.tail)-64):]
	ended := endsWhole(r.tail)
	r.whole = ended && r.body >= r.length

	switch {
	case n > 0:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded) && r.length >= 0 && r.body >= r.length:
		return 0, io.EOF
	case errors.Is(err, io.EOF) && r.body < r.length && !ended:
		return 0, io.ErrUnexpectedEOF
	}

	return 0, err
}

// mendHead takes the lines of a header that are some, without its length.
func (r *tolerantConn) mendHead(lines []string) {
	var b strings.Builder
	b.WriteString("HTTP/1.1 " + strings.Join(strings.Fields(lines[0])[1:], " ") + "\r\n")
	r.length = -1

	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		name = strings.TrimRight(name, " \t")
		value = strings.TrimSpace(value)
		if !ok || !isToken(name) {
			continue
		}

		switch strings.ToLower(name) {
		case "content-length":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 && r.length < 0 {
				r.length = n
			}
			continue
		case "transfer-encoding":
			if !strings.EqualFold(value, "chunked") {
				continue
			}
			r.raw = true
		}

		b.WriteString(name + ": " + value + "\r\n")
	}

	b.WriteString("\r\n")
	r.head = []byte(b.String())
}

// isToken reports whether a text may be the name of a header line (RFC 9110 section 5.1).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// endsWhole reports whether a document ends with the end of its outermost element.
func endsWhole(body []byte) bool {
	end := strings.ToLower(strings.TrimSpace(string(body[max(0, len(body)-64):])))
	return strings.HasSuffix(end, "</root>") || strings.HasSuffix(end, "envelope>") ||
		strings.HasSuffix(end, "</html>")
}

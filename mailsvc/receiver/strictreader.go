package receiver

import (
	"errors"
	"io"
	"strings"
)

const (
	// maxHeader is the largest header of a message, in octets, as Postfix has it
	// (header_size_limit): whoever reads one reads it into memory.
	maxHeader = 102400

	// maxHops is how many Received fields a message may have: one more, and it runs in a
	// loop (RFC 5321 section 6.3).
	maxHops = 50
)

// strictReader passes a message on, up to its limits, and fails at a bare CR, a bare LF or a NUL: see
// body, which has seen to DATA already. What comes by BDAT is only seen here.
type strictReader struct {
	from io.Reader
	left int64 // octets allowed
	cr   bool  // the last octet was CR

	inHeader bool
	header   int64  // octets of it so far
	field    []byte // the first octets of this line of it
	hops     int

	refused *response // why the message is not taken
	err     error     // why it ended before its end
}

func newStrictReader(from io.Reader, size int64) *strictReader {
	return &strictReader{from: from, left: size, inHeader: true}
}

// Read implements io.Reader.
func (s *strictReader) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	for _, c := range p[:n] {
		if s.cr != (c == '\n') || c == 0 {
			return 0, s.refuse(errLineEnds)
		}

		s.cr = c == '\r'
		if s.inHeader {
			if why := s.inspect(c); why != nil {
				return 0, s.refuse(why)
			}
		}
	}

	s.left -= int64(n)
	var refusal *response
	switch {
	case s.left < 0: // RFC 1870 section 6.3
		return 0, s.refuse(errTooLarge)
	case errors.As(err, &refusal):
		return 0, s.refuse(refusal)
	case err == io.EOF && s.cr:
		return 0, s.refuse(errLineEnds)
	case err != nil && !errors.Is(err, io.EOF):
		s.err = err
	}

	return n, err
}

// inspect looks at one octet of the header.
func (s *strictReader) inspect(c byte) *response {
	if s.header++; s.header > maxHeader {
		return errHeader
	}

	const received = "received:"
	if c != '\n' {
		if len(s.field) < len(received) {
			s.field = append(s.field, c)
		}
		return nil
	}

	if string(s.field) == "\r" {
		s.inHeader = false
	}

	if strings.EqualFold(string(s.field), received) {
		s.hops++
	}

	s.field = s.field[:0]
	if s.hops > maxHops {
		return errLoop
	}

	return nil
}

func (s *strictReader) refuse(why *response) error {
	s.refused = why
	return why
}

package sender

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/mailpub/mailpub/mailsvc/header"
)

// StripOwnResults returns a message without the fields that only we may write: the Authentication-Results that claim
// to be of host, which can't be, as they came with the message (RFC 8601 section 5), and Return-Path, which
// the last host writes (RFC 5321 section 4.4). Everything else is as it was, but for a message that begins with a folded
// line: that would be read as the end of the last field that we write, so an empty line ends the header before it.
func StripOwnResults(host string, message io.Reader) io.Reader {
	in := bufio.NewReader(message)
	var kept, field bytes.Buffer
	if first, err := in.Peek(1); err == nil && isFold(first[0]) {
		return io.MultiReader(strings.NewReader("\r\n"), in)
	}

	flush := func() {
		if !isOwnField(host, field.Bytes()) {
			kept.Write(field.Bytes())
		}
		field.Reset()
	}

	for {
		line, err := readLine(in)
		if len(bytes.TrimRight(line, "\r\n")) == 0 || err != nil { // the end of the header, or of the message
			if err != nil && len(line) > 0 && field.Len() == 0 {
				field.Write(line)
				line = nil
			} else if err != nil {
				field.Write(line)
				line = nil
			}

			flush()
			kept.Write(line)
			return io.MultiReader(&kept, in)
		}

		if !isFold(line[0]) {
			flush()
		}

		field.Write(line)
		if kept.Len()+field.Len() > maxHeader { // no header of a message that was accepted
			flush()
			return io.MultiReader(&kept, in)
		}
	}
}

// readLine reads a line of any length up to maxHeader. The error is that of a last line without an end.
func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) || len(line) > maxHeader {
			if errors.Is(err, bufio.ErrBufferFull) {
				err = nil
			}
			return line, err
		}
	}
}

// isOwnField reports whether a header field, with its folded lines, is one that only this host may write.
func isOwnField(host string, field []byte) bool {
	name, value, ok := strings.Cut(string(field), ":")
	if !ok {
		return false
	}

	switch strings.ToLower(plainASCII(name)) {
	case "return-path":
		return true
	case "authentication-results":
		return claimsHost(host, value)
	}

	return false
}

// isFold reports whether a line that begins with c goes on with the field above it (RFC 5322 section 2.2.3).
func isFold(c byte) bool { return c == ' ' || c == '\t' }

// plainASCII returns what a text shows without spaces, controls, marks of encoding and other octets that some
// readers pass over.
func plainASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return -1
		}
		return r
	}, text)
}

// claimsHost reports whether the results in a field pass for those of host. The name of who gives them (RFC 8601
// section 2.2, authserv-id) may stand among comments and folding, and in quotes; whatever other programs may
// take for that name counts, so that it is looked for in all of what stands before the first result.
func claimsHost(host, value string) bool {
	id, _, _ := strings.Cut(header.WithoutComments(value), ";")
	id = strings.NewReplacer(`"`, "", `\`, "").Replace(id)
	plain := strings.ToLower(plainASCII(id))

	if strings.Contains(plain, "=") || plain == "" && !hasLetter(id) { // a result without a name: anybody's
		return true
	}

	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return strings.Contains(plain, host) || slices.Contains(namesIn(id), nameOf(host))
}

// hasLetter reports whether a text has letters, of whatever script.
func hasLetter(text string) bool { return strings.ContainsFunc(text, unicode.IsLetter) }

// namesIn are the words of a text as names in DNS: an authserv-id may be spelled in Unicode (RFC 8616 section 5).
func namesIn(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '/'
	})
	for i, w := range words {
		words[i] = nameOf(w)
	}
	return words
}

// nameOf is a name as DNS has it, from any spelling of it.
func nameOf(name string) string {
	ascii, err := idna.Lookup.ToASCII(strings.TrimRight(name, "."))
	if err != nil {
		return name
	}
	return ascii
}

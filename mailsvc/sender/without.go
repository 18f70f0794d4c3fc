package sender

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/header"
)

// StripOwnResults returns a message without the fields that only we may write: the Authentication-Results that claim
// to be of host, which can't be, as they came with the message (RFC 8601 section 5), and Return-Path, which
// the last host writes (RFC 5321 section 4.4). Everything else is as it was.
func StripOwnResults(host string, message io.Reader) io.Reader {
	in := bufio.NewReader(message)
	var kept, field bytes.Buffer
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

		if line[0] != ' ' && line[0] != '\t' {
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

	switch strings.ToLower(strings.TrimSpace(name)) {
	case "return-path":
		return true
	case "authentication-results":
		return claimsHost(host, value)
	}

	return false
}

// claimsHost reports whether the results in a field pass for those of host. The name of who gives them (RFC 8601
// section 2.2, authserv-id) may stand among comments and folding, and in quotes; whatever other programs may
// take for that name counts, so that it is looked for in all of what stands before the first result.
func claimsHost(host, value string) bool {
	id, _, _ := strings.Cut(header.WithoutComments(value), ";")
	id = strings.ToLower(strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' || r <= ' ' || r == 0x7f || r >= 0x80 {
			return -1
		}
		return r
	}, id))

	if i := strings.IndexByte(id, '='); i >= 0 { // a result without anybody's name: anybody's
		return true
	}

	return id == "" || strings.Contains(id, strings.ToLower(strings.TrimSuffix(host, ".")))
}

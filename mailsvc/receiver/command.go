package receiver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxCommand is the longest command line, with room beyond the 512 octets of RFC 5321
// section 4.5.3.1.4 for extensions.
const maxCommand = 2000

// maxBad is how many commands of a session may be refused for good: who goes on looks for
// mailboxes that exist.
const maxBad = 100

// heard returns a command line as it may be told of: not what AUTH says, and not all of an endless one.
func heard(line []byte) string {
	text := strings.TrimRight(string(line[:min(len(line), maxCommand)]), "\r\n")
	if len(text) >= 4 && strings.EqualFold(text[:4], "AUTH") {
		return text[:4]
	}
	return text
}

// readCommand reads a command line and returns it as go-smtp is to see it; nothing when
// it was answered here. What is refused for its form ends the session: nobody knows how
// its sender goes on.
func (w *wire) readCommand() ([]byte, error) {
	if w.dirty { // what follows may be part of the message for whoever passed it on
		return nil, w.leave("421 4.7.0 please come back with lines that end in CR LF")
	}
	if w.bad > maxBad {
		return nil, w.leave("421 4.7.0 too many commands that are refused")
	}
	line, err := w.readLine()
	if err != nil {
		return nil, err
	}
	w.command = heard(line)
	if problem := malformed(line); problem != "" {
		return nil, w.leave("500 5.5.2 " + problem)
	}
	text := string(line[:len(line)-2])
	verb, rest, _ := strings.Cut(text, " ")
	w.verb, w.reply, w.until = strings.ToUpper(verb), "", time.Time{}
	if w.chunks && slices.Contains([]string{"RSET", "EHLO", "HELO", "STARTTLS"}, w.verb) {
		// go-smtp would begin the next message beside the end of this one, and could
		// answer the one with what became of the other.
		return nil, w.leave("421 4.7.0 the message in chunks has no end")
	}
	switch w.verb {
	case "STARTTLS":
		if w.tls != nil {
			return w.startTLS(rest)
		}
	case "MAIL":
		if w.hello == "" { // RFC 5321 section 4.1.4, and again after STARTTLS
			return nil, w.say("503 5.5.1 please say EHLO first")
		}
		text = largeSize(text)
	case "RCPT":
		text = barePostmaster(text, w.hostname)
	case "BDAT":
		n, ok := chunkSize(rest)
		if !ok {
			return nil, w.leave("501 5.5.4 want BDAT SIZE or BDAT SIZE LAST")
		}
		w.octets, w.chunks = n, len(strings.Fields(rest)) == 1 // no LAST
	}
	return []byte(text + "\r\n"), nil
}

// readLine reads one line, which may be too long. When the server stops it takes leave
// instead (RFC 5321 section 3.8).
func (w *wire) readLine() (line []byte, err error) {
	stopping := w.wait(true)
	if !stopping {
		line, err = w.in.ReadSlice('\n')
		stopping = w.wait(false) && err != nil
	}
	if stopping {
		return nil, w.leave("421 4.3.2 " + w.hostname + " is shutting down")
	}
	if err == bufio.ErrBufferFull {
		err = nil
	}
	return line, err
}

// malformed says what is wrong with the form of a command line.
func malformed(line []byte) string {
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

// startTLS begins TLS and forgets what the client said before (RFC 3207 section 4.2). go-smtp
// is told RSET instead, and its reply kept back.
func (w *wire) startTLS(argument string) ([]byte, error) {
	switch {
	case w.secure():
		return nil, w.say("503 5.5.1 TLS is on already")
	case argument != "":
		return nil, w.say("501 5.5.4 STARTTLS has no argument")
	case w.in.Buffered() > 0: // whoever added it wants it taken for what comes under TLS
		return nil, w.leave("501 5.5.1 nothing may follow STARTTLS before TLS")
	}
	if err := w.say("220 2.0.0 go ahead"); err != nil {
		return nil, err
	}
	if err := w.SetDeadline(time.Now().Add(w.idle)); err != nil {
		return nil, err
	}
	secure := tls.Server(w.Conn, w.tls)
	if err := secure.Handshake(); err != nil {
		return nil, io.EOF
	}
	w.mu.Lock()
	w.stream = secure
	w.mu.Unlock()
	w.in.Reset(secure)
	w.hello, w.mute = "", true
	if w.secured != nil {
		w.secured()
	}
	return []byte("RSET\r\n"), nil
}

// pathEnd returns the index behind the first "<...>" of a MAIL or RCPT line, and that of
// its "<"; ok is false when there is none. A ">" in a quoted local part does not count.
func pathEnd(line string) (start, end int, ok bool) {
	quoted := false
	start = strings.IndexByte(line, '<')
	if start < 0 {
		return 0, 0, false
	}
	for i := start + 1; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return start, i + 1, true
		}
	}
	return 0, 0, false
}

// barePostmaster gives postmaster without a domain the domain of the mail host.
func barePostmaster(line, hostname string) string {
	start, end, ok := pathEnd(line)
	if !ok || !strings.EqualFold(line[start:end], "<postmaster>") {
		return line
	}
	if strings.ToUpper(strings.ReplaceAll(line[:start], " ", "")) != "RCPTTO:" {
		return line
	}
	return line[:start] + "<postmaster@" + hostname + ">" + line[end:]
}

// largeSize writes a SIZE that go-smtp can't read, for having over 32 bits, as the largest that it can.
// RFC 1870 section 4 allows 20 digits.
func largeSize(line string) string {
	_, end, ok := pathEnd(line)
	if !ok {
		return line
	}
	parameters := strings.Fields(line[end:])
	for i, p := range parameters {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(name, "SIZE") || len(value) > 20 || value == "" || strings.Trim(value, "0123456789") != "" {
			continue
		}
		if n, err := strconv.ParseUint(value, 10, 64); err != nil || n > math.MaxUint32 {
			parameters[i] = name + "=" + strconv.FormatUint(math.MaxUint32, 10)
		}
	}
	if len(parameters) == 0 {
		return line
	}
	return line[:end] + " " + strings.Join(parameters, " ")
}

// chunkSize reads the argument of BDAT (RFC 3030 section 2), as strictly as go-smtp
// does: both must know how many octets follow.
func chunkSize(argument string) (n int64, ok bool) {
	f := strings.Fields(argument)
	if len(f) == 0 || len(f) > 2 || len(f) == 2 && !strings.EqualFold(f[1], "LAST") {
		return 0, false
	}
	size, err := strconv.ParseUint(f[0], 10, 32)
	return int64(size), err == nil
}

package receiver

import (
	"fmt"
	"net"
	"strings"
)

// header returns what a receiving server puts on top of a message: the return path (RFC
// 5321 section 4.4, once, at final delivery), what it found out about the sender, and a
// trace line.
func (m Message) header(c *conn) []byte {
	recipient := ""
	if len(m.To) == 1 { // more would tell each of the others (RFC 5321 section 7.6)
		recipient = "\r\n\tfor " + path(m.To[0])
	}

	return fmt.Appendf(nil, "Return-Path: %s\r\n%sReceived: from %s (%s)\r\n\tby %s with %s id %s%s;\r\n\t%s\r\n",
		path(m.From), m.Verdict, traceName(m.Helo), literal(m.Remote), c.hostname, protocol(c),
		m.ID, recipient,
		m.Time.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
}

// protocol is the word for how a message came (RFC 3848, RFC 6531 section 4.3).
func protocol(c *conn) string {
	p := "SMTP"
	if c.extended {
		p = "ESMTP"
	}

	if c.utf8 {
		p = "UTF8SMTP"
	}

	if c.secure() {
		p += "S"
	}

	return p
}

// path returns an address as it is written in SMTP, with quotes around a local part that needs
// them (RFC 5321 section 4.1.2).
func path(address string) string {
	i := strings.LastIndex(address, "@")
	if i < 0 {
		return "<" + address + ">"
	}

	local := address[:i]
	if strings.ContainsAny(local, " \t\"\\(),:;<>@[]") || local == "" ||
		strings.Contains("."+local+".", "..") {
		local = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local) + `"`
	}

	return "<" + local + address[i:] + ">"
}

// literal returns the address of "address:port" as RFC 5321 section 4.1.3 writes it.
func literal(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return "[unknown]"
	}

	if strings.Contains(host, ":") {
		host = "IPv6:" + host
	}

	return "[" + host + "]"
}

// traceName returns what a client calls itself, made fit for a header: whoever reads it must
// not take part of it for something else.
func traceName(helo string) string {
	if len(helo) > 255 {
		helo = helo[:255]
	}

	return strings.Map(func(r rune) rune {
		if r < 128 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' ||
			strings.ContainsRune(".-_:[]", r)) {
			return r
		}
		return '?'
	}, helo)
}

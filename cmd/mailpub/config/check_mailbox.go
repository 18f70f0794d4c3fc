package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// mailbox checks verify.mailbox; none at all is right.
func (k *checker) mailbox(m Mailbox) {
	const at = "verify.mailbox"
	if m == (Mailbox{}) {
		return
	}

	if m.IMAP == "" && m.POP3 == "" {
		k.add(at, "names no server, want imap: or pop3: as HOST:PORT")
	}

	for _, way := range [][2]string{{"imap", m.IMAP}, {"pop3", m.POP3}} {
		if way[1] != "" && !hostAndPort(way[1]) {
			k.add(at+"."+way[0], "is %q, want HOST:PORT, like 10.10.10.10:143", way[1])
		}
	}

	if m.User == "" {
		k.add(at+".user", "is missing, want the user whose mailbox the postmaster's mail goes to")
	}

	switch {
	case m.Password == "":
		k.add(at+".password", "is missing, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
	case !IsReference(m.Password):
		k.add(at+".password", "holds the secret itself, want a reference to it: env:NAME, file:PATH or exec:COMMAND")
	}
}

func hostAndPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, notNumber := strconv.Atoi(port)
	_, notAddr := netip.ParseAddr(host)
	return err == nil && notNumber == nil && n > 0 && n < 1<<16 &&
		(notAddr == nil || host == "localhost" || hostName(strings.ToLower(host)))
}

package mdaemontest

import (
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtptest"
)

// serveSMTP is one session, under the settings that are in force when it begins.
func (s *Server) serveSMTP(conn net.Conn) {
	if !s.running() {
		conn.Close()
		return
	}

	var to string
	said := []string{}
	server := &smtptest.Server{
		Greeting: "220 " + s.setting("FQDN") + " ESMTP MDaemon " + Version,
		EHLO:     "250-" + s.setting("FQDN") + " Hello\r\n250 SIZE",
	}

	server.Reply = func(line string) string {
		reply := s.reply(line)
		if strings.HasPrefix(line, "RCPT") {
			to = address(line)
		}

		said = append(said, "<-- "+line)
		if strings.Contains(reply, "recipient unknown") {
			said = append(said, "no account and no alias")
		}

		said = append(said, "--> "+reply)
		return reply
	}

	server.Stored = func(message string) { s.deliver(to, message) }
	server.Handle(conn)
	s.log(conn, said)
}

// address is what stands in the angle brackets.
func address(line string) string {
	_, rest, _ := strings.Cut(line, "<")
	to, _, _ := strings.Cut(rest, ">")
	return strings.ToLower(to)
}

// reply answers MAIL and RCPT as the settings have it; "" is left to a good server.
func (s *Server) reply(line string) string {
	local, domain, _ := strings.Cut(address(line), "@")
	ours := s.serves(domain)
	switch {
	case strings.HasPrefix(line, "MAIL"):
		reserved := local == "postmaster" || local == "abuse" || local == "webmaster"
		if ours && reserved && s.setting("PostmasterAuth") == "Yes" {
			return "530 5.7.0 authentication required"
		}
		if ours && s.setting("MailMustExist") == "Yes" && s.mailbox(address(line)) == "" {
			return "550 5.1.8 sender unknown"
		}

		return "250 2.1.0 Sender OK"
	case strings.HasPrefix(line, "RCPT"):
		switch {
		case domain == "" && local == "postmaster":
			return "250 2.1.5 Recipient OK"
		case !ours && s.setting("NoRelay") == "Yes":
			return "550 5.7.1 relaying denied"
		case ours && s.mailbox(address(line)) == "" && s.setting("RcptMustExist") == "Yes":
			return "550 5.1.1 recipient unknown"
		}

		return "250 2.1.5 Recipient OK"
	case strings.HasPrefix(line, "VRFY"), strings.HasPrefix(line, "EXPN"):
		return "502 5.5.1 not available"
	}

	return ""
}

func (s *Server) serves(domain string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, line := range strings.Fields(string(s.loaded["Domains.dat"])) {
		if strings.EqualFold(line, domain) {
			return true
		}
	}

	return false
}

// mailbox is where mail for an address goes, "" where nobody has it.
func (s *Server) mailbox(to string) string {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, line := range strings.Split(string(s.loaded["Alias.dat"]), "\r\n") {
		alias, actual, ok := strings.Cut(line, " = ")
		pattern := strings.ToLower(strings.ReplaceAll(alias, "$LOCALDOMAIN$", "*"))
		if match, _ := path.Match(pattern, to); ok && match {
			return actual
		}
	}

	for _, u := range users(s.loaded["userlist.dat"]) {
		if u[1]+"@"+u[0] == to {
			return to
		}
	}

	return ""
}

// users are the domain and mailbox of each account.
func users(list []byte) (all [][2]string) {
	for _, line := range strings.Split(string(list), "\r\n") {
		if len(line) >= 75 {
			all = append(all, [2]string{strings.TrimSpace(line[:45]),
				strings.TrimSpace(line[45:75])})
		}
	}
	return all
}

// deliver puts a message into its mailbox, as MDaemon names such files.
func (s *Server) deliver(to, message string) {
	mailbox := s.mailbox(to)
	if mailbox == "" {
		mailbox = "admin@nomeazienda.it"
	}

	local, domain, _ := strings.Cut(mailbox, "@")
	dir := filepath.Join(s.Root, "Users", domain, local)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return
	}

	n := time.Now().UnixNano() % 1e9
	os.WriteFile(filepath.Join(dir, fmt.Sprintf("MD50%09d.msg", n)), []byte(message), 0o644)
	os.WriteFile(filepath.Join(dir, "Hiwater.mrk"),
		[]byte(fmt.Sprintf("[Hiwater]\r\nLast=%d\r\n", n)), 0o644)
}

// log writes a session into today's log once it is over.
func (s *Server) log(conn net.Conn, said []string) {
	now := time.Now()
	var b strings.Builder
	at := now.Format("Mon 2006-01-02 15:04:05.000: ")
	fmt.Fprintf(&b, "%sSession 00000001; child 0001\r\n%sAccepting SMTP connection from %s to %s\r\n",
		at, at, conn.RemoteAddr(), conn.LocalAddr())

	for _, line := range said {
		if !strings.HasSuffix(line, "--> ") {
			fmt.Fprintf(&b, "%s%s\r\n", at, line)
		}
	}

	fmt.Fprintf(&b, "%sSMTP session successful (Bytes in/out: 100/100)\r\n%s----------\r\n",
		at, at)

	name := filepath.Join(s.Root, "Logs", "MDaemon-"+now.Format(time.DateOnly)+"-SMTP-(in).log")
	s.mu.Lock()
	defer s.mu.Unlock()

	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}

	defer f.Close()

	f.WriteString(b.String())
}

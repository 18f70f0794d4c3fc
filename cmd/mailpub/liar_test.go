package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"time"
)

// session is one conversation.
func (l *liar) session(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	answer := func(line string) string {
		l.mu.Lock()
		says := l.says
		l.mu.Unlock()
		if says != nil {
			if a := says(line); a != "" {
				return a
			}
		}
		verb, _, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "":
			return "220 " + l.host + " ESMTP"
		case "EHLO":
			return "250 " + l.host
		case "RCPT":
			return "550 5.1.1 not here"
		case "QUIT":
			return "221 bye"
		case "DATA":
			return "554 5.5.1 no recipients"
		}
		return "250 ok"
	}
	if _, err := fmt.Fprintf(conn, "%s\r\n", answer("")); err != nil {
		return
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if _, err := fmt.Fprintf(conn, "%s\r\n", answer(lines.Text())); err != nil || strings.HasPrefix(lines.Text(), "QUIT") {
			return
		}
	}
}

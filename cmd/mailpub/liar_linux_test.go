package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// liar is a mail server that is not the one it stands for, and takes mail for nobody.
type liar struct{ host string }

func (l *liar) serve(t testing.TB, listener net.Listener) {
	var sessions sync.WaitGroup
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { l.session(conn) })
		}
	}()

	t.Cleanup(func() { listener.Close(); sessions.Wait() })
}

// session is one conversation.
func (l *liar) session(conn net.Conn) {
	defer conn.Close()

	conn.SetDeadline(time.Now().Add(30 * time.Second))
	answer := func(line string) string {
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
		if _, err := fmt.Fprintf(conn, "%s\r\n", answer(lines.Text())); err != nil ||
			strings.HasPrefix(lines.Text(), "QUIT") {
			return
		}
	}
}

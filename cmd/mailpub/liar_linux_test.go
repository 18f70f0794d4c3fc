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

// liar is a mail server that is good but for what a scenario makes it say.
type liar struct {
	host string
	mu   sync.Mutex
	says func(line string) string // "" is what a good server says
}

// lie makes it say something else until the scenario ends.
func (l *liar) lie(t testing.TB, says func(line string) string) {
	set := func(f func(string) string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.says = f
	}
	set(says)
	t.Cleanup(func() { set(nil) })
}

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

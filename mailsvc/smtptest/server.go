// Package smtptest is a mail server for tests that says what a test wants. It knows SMTP as
// far as tests need it, and nothing of ours.
package smtptest

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

const Host = "mail.nomeazienda.it"

// Server is a mail server that says what a test wants.
type Server struct {
	Greeting string                   // "" is that of a good server, "-" is none
	EHLO     string                   // "" is that of a good server
	Reply    func(line string) string // to every other command; "" is that of a good server, "-" breaks off
	Quits    int                      // breaks off at this transaction of a connection; 0 never
	Stored   func(message string)     // may be nil

	mu    sync.Mutex
	lines []string // that were said
	Conns int
}

// good is what a server says that knows postmaster, abuse and mario, and relays nothing.
func good(line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "MAIL":
		if strings.Contains(rest, "@nomeazienda.it>") || strings.Contains(rest, "@"+Host) {
			return "550 5.7.1 not without a password"
		}
	case "RCPT":
		for _, known := range []string{"postmaster", "postmaster@nomeazienda.it",
			"abuse@nomeazienda.it", "mario@nomeazienda.it"} {
			if rest == "TO:<"+known+">" {
				return "250 2.1.5 ok"
			}
		}

		if strings.HasSuffix(rest, "@nomeazienda.it>") {
			return "550 5.1.1 no such user"
		}

		return "554 5.7.1 relaying denied"
	case "DATA":
		return "354 go ahead"
	case "QUIT":
		return "221 bye"
	case "VRFY", "EXPN":
		return "252 2.5.0 who knows"
	case "AUTH":
		return "535 5.7.8 wrong"
	}

	return "250 2.0.0 ok"
}

func (f *Server) Handle(conn net.Conn) {
	defer conn.Close()

	f.mu.Lock()
	f.Conns++
	f.mu.Unlock()
	say := func(s string) bool {
		_, err := conn.Write([]byte(s + "\r\n"))
		return err == nil
	}

	greeting := f.Greeting
	if greeting == "" {
		greeting = "220 " + Host + " ESMTP"
	}

	if greeting == "-" || !say(greeting) {
		time.Sleep(time.Millisecond) // see below
		return
	}

	in := bufio.NewScanner(conn)
	in.Split(strictLines)
	transactions := 0

	for in.Scan() {
		line := in.Text()
		f.mu.Lock()
		f.lines = append(f.lines, line)
		f.mu.Unlock()
		answer := ""

		if strings.HasPrefix(line, "MAIL") {
			if transactions++; transactions == f.Quits {
				return
			}
		}

		if f.Reply != nil {
			answer = f.Reply(line)
		}

		if answer == "" && strings.HasPrefix(line, "EHLO") {
			answer = f.EHLO
			if answer == "" {
				answer = "250-" + Host + "\r\n250-PIPELINING\r\n250 SIZE"
			}
		}

		if answer == "" {
			answer = good(line)
		}

		if answer == "-" {
			// Not before the client waits for it: a pipe whose other end is closed
			// takes no deadline either, unlike a socket.
			time.Sleep(time.Millisecond)
			return
		}

		if !say(answer) || line == "QUIT" {
			return
		}

		if answer == "354 go ahead" {
			var message []string
			for in.Scan() && in.Text() != "." {
				message = append(message, in.Text())
			}

			if in.Text() != "." {
				return
			}

			if f.Stored != nil {
				f.Stored(strings.Join(message, "\n"))
			}

			if f.Reply != nil {
				answer = f.Reply(".")
			}

			if answer == "354 go ahead" || answer == "" {
				answer = "250 2.0.0 stored"
			}

			if answer == "-" || !say(answer) {
				return
			}
		}
	}
}

// strictLines ends a line at CR LF alone (RFC 5321 section 2.3.8).
func strictLines(data []byte, _ bool) (advance int, line []byte, err error) {
	if i := bytes.Index(data, []byte("\r\n")); i >= 0 {
		return i + 2, data[:i], nil
	}
	return 0, nil, nil
}

func (f *Server) Said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.lines...)
}

// Start lets f serve on loopback until the test ends.
func (f *Server) Start(t *testing.T) (addr string) {
	t.Helper()
	return Serve(t, f.Handle)
}

// Serve accepts connections on loopback for handle, which closes them.
func Serve(t *testing.T, handle func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { handle(conn) })
		}
	})

	t.Cleanup(func() {
		l.Close()
		sessions.Wait()
	})

	return l.Addr().String()
}

// UnusedAddr returns an address on loopback where nothing listens.
func UnusedAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// Piped connects to handle without a network, for tests in which time is not real.
func Piped(handle func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go handle(theirs)
		return ours, nil
	}
}

// Answer returns a reply function that changes the answer to one verb.
func Answer(verb, answer string) func(string) string {
	return func(line string) string {
		if strings.HasPrefix(line, verb) {
			return answer
		}
		return ""
	}
}

// Send returns a handler that says s and waits for the client to go.
func Send(s string) func(net.Conn) {
	return func(conn net.Conn) {
		defer conn.Close()
		io.WriteString(conn, s)
		io.Copy(io.Discard, conn)
	}
}

// Drip says one piece after another, forever.
func Drip(piece string, each time.Duration) func(net.Conn) {
	return func(conn net.Conn) {
		defer conn.Close()
		for {
			if _, err := io.WriteString(conn, piece); err != nil {
				return
			}
			time.Sleep(each)
		}
	}
}

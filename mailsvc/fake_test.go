package mailsvc

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

const host = "mail.nomeazienda.it"

// fake is a mail server that says what a test wants.
type fake struct {
	greeting string                   // "" is that of a good server, "-" is none
	ehlo     string                   // "" is that of a good server
	reply    func(line string) string // to every other command; "" is that of a good server, "-" breaks off
	quits    int                      // breaks off at this transaction of a connection; 0 never
	stored   func(message string)     // may be nil

	mu    sync.Mutex
	lines []string // that were said
	conns int
}

// good is what a server says that knows postmaster, abuse and mario, and relays nothing.
func good(line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "MAIL":
		if strings.Contains(rest, "@nomeazienda.it>") || strings.Contains(rest, "@"+host) {
			return "550 5.7.1 not without a password"
		}
	case "RCPT":
		for _, known := range []string{"postmaster", "postmaster@nomeazienda.it", "abuse@nomeazienda.it", "mario@nomeazienda.it"} {
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

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	f.mu.Lock()
	f.conns++
	f.mu.Unlock()
	say := func(s string) bool {
		_, err := conn.Write([]byte(s + "\r\n"))
		return err == nil
	}
	greeting := f.greeting
	if greeting == "" {
		greeting = "220 " + host + " ESMTP"
	}
	if greeting == "-" || !say(greeting) {
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
			if transactions++; transactions == f.quits {
				return
			}
		}
		if f.reply != nil {
			answer = f.reply(line)
		}
		if answer == "" && strings.HasPrefix(line, "EHLO") {
			answer = f.ehlo
			if answer == "" {
				answer = "250-" + host + "\r\n250-PIPELINING\r\n250 SIZE"
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
			if f.stored != nil {
				f.stored(strings.Join(message, "\n"))
			}
			if f.reply != nil {
				answer = f.reply(".")
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

func (f *fake) said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.lines...)
}

// start lets f serve on loopback until the test ends.
func (f *fake) start(t *testing.T) (addr string) {
	t.Helper()
	return serve(t, f.serve)
}

// serve accepts connections on loopback for handle, which closes them.
func serve(t *testing.T, handle func(net.Conn)) (addr string) {
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

// nobody returns an address on loopback where nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// piped connects to handle without a network, for tests in which time is not real.
func piped(handle func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go handle(theirs)
		return ours, nil
	}
}

// answers returns a reply function that changes the answer to one verb.
func answers(verb, answer string) func(string) string {
	return func(line string) string {
		if strings.HasPrefix(line, verb) {
			return answer
		}
		return ""
	}
}

// send returns a handler that says s and waits for the client to go.
func send(s string) func(net.Conn) {
	return func(conn net.Conn) {
		defer conn.Close()
		io.WriteString(conn, s)
		io.Copy(io.Discard, conn)
	}
}

// drip says one piece after another, forever.
func drip(piece string, each time.Duration) func(net.Conn) {
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

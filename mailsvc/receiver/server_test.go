package receiver

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// site is what most tests serve.
var site = Settings{
	Hostname: "mail.nomeazienda.it", Domains: []string{"nomeazienda.it", "nomeazienda.example"},
	Aliases: map[string]string{
		"postmaster": "mario", "sales@nomeazienda.it": "anna", "info": "mario",
	},
}

// running is a Server on loopback.
type running struct {
	*Server
	addr string
	stop func() error // ends Serve and returns what it returned; once

	mu  sync.Mutex
	got []Message
}

// start serves until the test ends. change may be nil.
func start(t testing.TB, set Settings, change func(*Server)) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{Server: &Server{
		SettingsPath: filepath.Join(dir, "settings.json"),
		Hostname:     "before.example",
		Maildir:      filepath.Join(dir, "mail"),
	}}

	r.Delivered = func(m Message) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, m)
	}

	if set.Hostname != "" {
		write(t, r.SettingsPath, set)
	}

	if change != nil {
		change(r.Server)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	r.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})

	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})

	return r
}

func write(t testing.TB, path string, set Settings) {
	t.Helper()
	data, err := set.Encode()
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}

	if err != nil {
		t.Fatal(err)
	}
}

// stored returns the files of the whole Maildir, relative to it.
func (r *running) stored(t testing.TB) (files []string) {
	t.Helper()
	err := filepath.WalkDir(r.Server.Maildir,
		func(path string, e os.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err == nil && e.Name() == logDir {
				return filepath.SkipDir
			}

			if err == nil && !e.IsDir() {
				rel, _ := filepath.Rel(r.Server.Maildir, path)
				files = append(files, filepath.ToSlash(rel))
			}

			return err
		})

	if err != nil {
		t.Fatal(err)
	}

	return files
}

func (r *running) delivered() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// client is an SMTP client that sends exactly what it is told.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// dial connects and reads the greeting.
func (r *running) dial(t testing.TB) *client {
	t.Helper()
	c := r.connect(t)
	c.expect("220")
	return c
}

func (r *running) connect(t testing.TB) *client {
	t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return newClient(t, conn)
}

func newClient(t testing.TB, conn net.Conn) *client {
	return &client{t, conn,
		bufio.NewReader(conn)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(text)); err != nil {
		c.t.Fatalf("sending %.60q: %v", text, err)
	}
}

// reply returns one reply, its lines joined; "" at the end of the connection.
func (c *client) reply() string {
	var lines []string
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return strings.Join(lines, "\n")
		}

		lines = append(lines, strings.TrimSuffix(line, "\r\n"))
		if len(line) < 4 || line[3] != '-' {
			return strings.Join(lines, "\n")
		}
	}
}

// expect reads a reply that begins with want.
func (c *client) expect(want string) string {
	c.t.Helper()
	got := c.reply()
	if !strings.HasPrefix(got, want) || want == "" && got != "" {
		c.t.Errorf("reply %q, want %q", got, want)
	}
	return got
}

// say sends a command and expects a reply.
func (c *client) say(command, want string) string {
	c.t.Helper()
	c.send(command + "\r\n")
	got := c.reply()
	if !strings.HasPrefix(got, want) {
		c.t.Errorf("%.80q: reply %q, want %q", command, got, want)
	}
	return got
}

// message goes up to the 354 of a message for postmaster.
func (c *client) message() {
	c.t.Helper()
	c.say("EHLO client.example", "250")
	c.say("MAIL FROM:<a@client.example>", "250")
	c.say("RCPT TO:<postmaster@nomeazienda.it>", "250")
	c.say("DATA", "354")
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGreetingAndExtensions(t *testing.T) {
	r := start(t, site, nil)
	c := r.connect(t)
	if got := c.reply(); got != "220 mail.nomeazienda.it ESMTP" {
		t.Errorf("greeting %q", got)
	}

	got := strings.Split(c.say("EHLO client.example", "250-mail.nomeazienda.it\n"), "\n")
	for _, want := range []string{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8",
		"SIZE 52428800"} {
		if !slices.ContainsFunc(got, func(line string) bool { return line[4:] == want }) {
			t.Errorf("EHLO is answered %q, without %s", got, want)
		}
	}

	if slices.ContainsFunc(got, func(line string) bool {
		return strings.Contains(line, "STARTTLS") || strings.Contains(line, "AUTH")
	}) {
		t.Errorf("EHLO is answered %q, which is not true", got)
	}

	if got := c.say("HELO client.example", "250"); got != "250 mail.nomeazienda.it" {
		t.Errorf("HELO is answered %q", got)
	}
}

// TestNotSetUpYet sees that mail waits at its sender's until there are settings, and again when
// they are gone.
func TestNotSetUpYet(t *testing.T) {
	r := start(t, Settings{}, nil)
	c := r.connect(t)
	c.expect("220 before.example ESMTP")
	c.say("EHLO client.example", "250")
	c.say("MAIL FROM:<a@client.example>", "250")
	c.say("RCPT TO:<postmaster@nomeazienda.it>", "451 4.3.0")
	write(t, r.SettingsPath, site)
	c.say("RCPT TO:<postmaster@nomeazienda.it>", "250")
	c.say("RCPT TO:<postmaster>", "250")
	if err := os.Remove(r.SettingsPath); err != nil {
		t.Fatal(err)
	}

	c.say("RCPT TO:<postmaster@nomeazienda.it>", "451 4.3.0")
}

func TestStopEndsIdleSessionsAtOnce(t *testing.T) {
	r := start(t, site, func(s *Server) { s.StopTimeout = time.Hour })
	idle := r.dial(t)
	greeted := r.dial(t)
	greeted.say("EHLO client.example", "250")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	for _, c := range []*client{idle, greeted} {
		c.expect("421 4.3.2")
		c.expect("")
	}

	if _, err := net.Dial("tcp", r.addr); err == nil {
		t.Error("it still listens")
	}
}

func TestStopLetsAMessageEnd(t *testing.T) {
	r := start(t, site, func(s *Server) { s.StopTimeout = time.Hour })
	c := r.dial(t)
	c.message()
	c.send("Subject: half\r\n\r\n")
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()

	for { // until the listener is closed, so that it is stopping
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			break
		}
		conn.Close()
	}

	c.send("the other half\r\n.\r\n")
	c.expect("250")
	c.expect("421 4.3.2")
	if err := <-stopped; err != nil {
		t.Error(err)
	}

	if got := r.stored(t); len(got) != 1 || !strings.HasPrefix(got[0], "mario/new/") {
		t.Errorf("stored %q", got)
	}
}

func TestStopTimeoutEndsTheRest(t *testing.T) {
	r := start(t, site, func(s *Server) { s.StopTimeout = time.Millisecond })
	c := r.dial(t)
	c.message()
	c.send("Subject: half\r\n\r\n")
	if err := r.stop(); err != nil {
		t.Error(err)
	}

	c.expect("421 4.3.2")
	if got := r.stored(t); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
}

func TestServeReturnsTheListenersError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	s := &Server{Maildir: t.TempDir(), SettingsPath: filepath.Join(t.TempDir(), "none")}
	if err := s.Serve(t.Context(), broken{l}); err == nil ||
		!strings.Contains(err.Error(), "out of sockets") {
		t.Errorf("Serve: %v", err)
	}

	l.Close()
}

// broken is a listener that fails.
type broken struct{ net.Listener }

func (broken) Accept() (net.Conn, error) { return nil, fmt.Errorf("out of sockets") }

func TestConnectionCap(t *testing.T) {
	r := start(t, site, func(s *Server) { s.MaxConnections = 2 })
	one := r.dial(t)
	two := r.dial(t)

	if got := r.connect(t).reply(); !strings.HasPrefix(got, "421 4.3.2") {
		t.Errorf("the third is greeted %q", got)
	}

	one.say("QUIT", "221")
	one.expect("")
	deadline := time.Now().Add(10 * time.Second)

	for {
		got := r.connect(t).reply()
		if strings.HasPrefix(got, "220") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after one has left, another is greeted %q", got)
		}
	}

	two.say("NOOP", "250")
}

func TestIdleTimeout(t *testing.T) {
	r := start(t, site, func(s *Server) { s.IdleTimeout = 500 * time.Millisecond })
	c := r.dial(t)
	c.expect("421 4.4.2")
	c.expect("")

	c = r.dial(t) // and in the middle of a message
	c.message()
	c.send("Subject: half\r\n")
	c.expect("451 4.4.2")

	if got := r.stored(t); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
}

// TestSlowMessage gives each part its time, but the whole not for ever.
func TestSlowMessage(t *testing.T) {
	drip := func(c *client, n int) string {
		c.message()
		for range n {
			if _, err := c.conn.Write([]byte("x\r\n")); err != nil {
				break // it has hung up, having said why
			}
			time.Sleep(40 * time.Millisecond)
		}

		c.conn.Write([]byte(".\r\n"))
		return c.reply()
	}

	r := start(t, site, func(s *Server) { s.IdleTimeout = time.Second })
	if got := drip(r.dial(t), 30); !strings.HasPrefix(got, "250") {
		t.Errorf("a message that took longer than the idle timeout: %q", got)
	}

	r = start(t, site, func(s *Server) {
		s.IdleTimeout = time.Minute
		s.MessageTimeout = 100 * time.Millisecond
	})

	if got := drip(r.dial(t), 50); !strings.HasPrefix(got, "451") {
		t.Errorf("a message that took longer than the message timeout: %q", got)
	}
}

func TestSettingsFileIsReread(t *testing.T) {
	var log strings.Builder
	r := start(t, site, func(s *Server) { s.Logger = testLogger(&log) })
	c := r.dial(t)
	c.say("EHLO client.example", "250")
	c.say("MAIL FROM:<>", "250")
	c.say("RCPT TO:<sales@nomeazienda.it>", "250")
	other := site
	other.Aliases = map[string]string{"info": "luigi"}
	write(t, r.SettingsPath, other)
	c.say("RCPT TO:<sales@nomeazienda.it>", "550 5.1.1")
	c.say("RCPT TO:<luigi@nomeazienda.it>", "250")

	for range 3 { // what is wrong changes nothing, and is said once
		if err := os.WriteFile(r.SettingsPath,
			[]byte(`{"format": "mailpub/receiver/v1",`+"\n"+`"hostnam": "x"}`),
			0o600); err != nil {
			t.Fatal(err)
		}
		c.say("RCPT TO:<luigi@nomeazienda.it>", "250")
		c.say("RCPT TO:<luigi@nomeazienda.example>", "250")
	}

	write(t, r.SettingsPath, site)
	c.say("RCPT TO:<sales@nomeazienda.it>", "250")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	var entry struct{ Error string }
	line, _, _ := strings.Cut(log.String(), "\n")
	if err := json.Unmarshal([]byte(line), &entry); err != nil ||
		!strings.HasSuffix(entry.Error, `settings.json: line 2: unknown field "hostnam"`) {
		t.Errorf("logged %q, %v", line, err)
	}
}

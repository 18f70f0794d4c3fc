package receiver

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
)

// cutter stands between a sender and the receiver. It breaks the first connection off behind so many
// octets of what the sender says, as a firewall or a radio link does.
type cutter struct {
	addr  string
	after int // octets
	cut   atomic.Bool
	chunk atomic.Bool // the sender used BDAT (RFC 3030)
}

func startCutter(t *testing.T, l net.Listener, to string, after int) *cutter {
	t.Helper()
	c := &cutter{addr: l.Addr().String(), after: after}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}

			all.Go(func() {
				defer client.Close()

				server, err := net.Dial("tcp", to)
				if err != nil {
					return
				}

				defer server.Close()

				all.Go(func() { _, _ = io.Copy(client, server); client.Close() })
				said := 0
				buf := make([]byte, 32<<10)

				for {
					n, err := client.Read(buf)
					said += n
					if bytes.Contains(buf[:n], []byte("\nBDAT ")) ||
						bytes.HasPrefix(buf[:n], []byte("BDAT ")) {
						c.chunk.Store(true)
					}

					if said > c.after && c.cut.CompareAndSwap(false, true) {
						return
					}
					if _, e := server.Write(buf[:n]); err != nil || e != nil {
						return
					}
				}
			})
		}
	})

	return c
}

// bulk is a message in lines, and how many get it.
type bulk struct {
	name       string
	size       int
	recipients int
}

func (b bulk) message() []byte {
	var m bytes.Buffer
	m.WriteString("From: a@example.org\r\nTo: list@nomeazienda.it\r\nSubject: bulk\r\nMessage-ID: <bulk@example.org>\r\n\r\n")
	line := strings.Repeat("0123456789abcdef", 4) + "\r\n"
	for m.Len() < b.size {
		m.WriteString(line)
	}
	return m.Bytes()
}

func (b bulk) list() (recipients []string) {
	for n := range b.recipients {
		recipients = append(recipients, fmt.Sprintf("user%d@nomeazienda.it", n))
	}
	return recipients
}

// bulkReceiver takes mail for users who have a mailbox each.
func bulkReceiver(t *testing.T, recipients []string) *running {
	t.Helper()
	set := Settings{
		Hostname: "mail.nomeazienda.it",
		Domains:  []string{"nomeazienda.it"},
		Aliases:  map[string]string{"postmaster": "mario"},
	}

	for n, r := range recipients {
		set.Aliases[r] = fmt.Sprintf("box%d", n)
	}

	return start(t, set, func(s *Server) {
		s.MaxSize = 64 << 20
		s.Logger = nil
	})
}

// once waits until every recipient has the message, and sees that nobody has it twice.
func (r *running) once(t *testing.T, b bulk, retry func()) {
	t.Helper()
	end := time.Now().Add(90 * time.Second)
	for {
		got := map[string]int{}
		least := int64(b.size)
		for _, f := range r.stored(t) {
			if box, rest, ok := strings.Cut(f, "/"); ok && strings.HasPrefix(rest, "new/") {
				got[box]++
				if info, err := os.Stat(filepath.Join(r.Server.Maildir, f)); err == nil {
					least = min(least, info.Size())
				}
			}
		}

		for box, n := range got {
			if n > 1 {
				t.Fatalf("%s has the message %d times", box, n)
			}
		}

		if len(got) == b.recipients {
			if least < int64(b.size) {
				t.Errorf("%d octets of %d", least, b.size)
			}
			return
		}

		if time.Now().After(end) {
			t.Fatalf("%d of %d have the message", len(got), b.recipients)
		}

		retry()
		time.Sleep(500 * time.Millisecond)
	}
}

// sender is a real mail server that sends everything to one address.
type sender struct {
	name string
	// start runs it against what listens returns, and returns what hands it a message, and what lets it
	// try again at once.
	start func(t *testing.T, through func(net.Listener) *cutter) (send func(message []byte, recipients []string), retry func())
	bdat  bool // it uses BDAT (RFC 3030)
}

// TestSendersRetry lets real mail servers send a message of 30 MB, and one to 200 recipients, and breaks each off
// in the middle: they try again, and everybody has it once.
func TestSendersRetry(t *testing.T) {
	for _, b := range []bulk{{"30 MB", 30 << 20, 2}, {"200 recipients", 300 << 10, 200}} {
		for _, s := range []sender{{"Exim", eximSender, true},
			{"Postfix", postfixSender, false}, {"OpenSMTPD", openSender, false}} {
			t.Run(s.name+", "+b.name, func(t *testing.T) {
				r := bulkReceiver(t, b.list())
				var c *cutter
				send, retry := s.start(t, func(l net.Listener) *cutter {
					c = startCutter(t, l, r.addr, b.size/2)
					return c
				})

				send(b.message(), b.list())
				r.once(t, b, retry)
				if !c.cut.Load() || s.bdat && !c.chunk.Load() {
					t.Errorf("cut %v, by BDAT %v", c.cut.Load(), c.chunk.Load())
				}
			})
		}
	}
}

func local(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func postfixSender(t *testing.T, through func(net.Listener) *cutter) (func([]byte, []string), func()) {
	m := lab.InstallMailServer(t)
	lb := lab.Up(t, lab.Options{NoDaemon: true})
	through(lb.Listen(t, "lan", "127.0.0.1:2525"))
	settings := []string{"relayhost=[127.0.0.1]:2525", "message_size_limit=100000000",
		"smtpd_recipient_limit=1000", "smtp_destination_recipient_limit=200",
		"minimal_backoff_time=1s", "maximal_backoff_time=2s", "queue_run_delay=1s",
		"smtp_host_lookup=native", "disable_dns_lookups=yes", "smtpd_peername_lookup=no"}

	if out, err := exec.Command("postconf", append([]string{"-c", m.Postfix, "-e"},
		settings...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	old := time.Now().Add(-time.Minute)
	_ = os.Chtimes(m.Postfix+"/main.cf", old, old)
	m.StartPostfix(t, lb, "lan")
	send := func(message []byte, recipients []string) {
		inject(t, lb.Dial("lan"), "127.0.0.1:25", message, recipients)
	}

	return send, func() {
		_ = lb.Command(t.Context(), "lan", "postqueue", "-c", m.Postfix, "-f").Run()
	}
}

// unpacked is a file of a package that .ci/setup unpacks.
func unpacked(t *testing.T, path string) string {
	t.Helper()
	path = "/var/cache/mailpub-tests/" + path
	if _, err := os.Stat(path); err != nil || os.Getuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("run .ci/setup as root: %v", err)
		}
		t.Skip("left out: needs root, and what .ci/setup unpacks")
	}

	return path
}

// accounts are a script that adds users to what a mount namespace sees, and a directory for more files.
func accounts(t *testing.T, users ...string) (dir, script string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mpsend")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}

	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, name := range []string{"passwd", "group"} {
		data, err := os.ReadFile("/etc/" + name)
		if err != nil {
			t.Fatal(err)
		}

		for n, user := range users {
			line := fmt.Sprintf("%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n", user, 990-n,
				990-n)
			if name == "group" {
				line = fmt.Sprintf("%s:x:%d:\n", user, 990-n)
			}
			data = append(data, line...)
		}

		writeIn(t, dir, name, string(data))
		script += "mount --bind " + dir + "/" + name + " /etc/" + name + "\n"
	}

	return dir, script
}

func writeIn(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func openSender(t *testing.T, through func(net.Listener) *cutter) (func([]byte, []string), func()) {
	binary := unpacked(t, "opensmtpd/usr/sbin/smtpd")
	c := through(local(t))
	own := local(t)
	addr := own.Addr().(*net.TCPAddr)
	own.Close()
	dir, script := accounts(t, "opensmtpd", "opensmtpq")
	conf := writeIn(t, dir, "smtpd.conf", fmt.Sprintf("listen on 127.0.0.1 port %d hostname sender.example.org\naction \"out\" relay host smtp://%s\nmatch from any for any action \"out\"\n",
		addr.Port, c.addr))

	script += "mount -t tmpfs none /var/spool; mkdir -m 711 /var/spool/smtpd\nmount -t tmpfs none /var/lib; mkdir -p /var/lib/opensmtpd/empty\nmount -t tmpfs none /run\n" +
		"chmod 600 " + conf + "\nexec " + binary + " -d -f " + conf + "\n"

	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}

	defer log.Close()

	cmd := exec.Command("unshare", "-m", "sh", "-e", writeIn(t, dir, "run", script))
	cmd.Stdout = log
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if text, _ := os.ReadFile(filepath.Join(dir, "log")); t.Failed() {
			t.Logf("%s", text)
		}
	})

	send := func(message []byte, recipients []string) {
		inject(t, new(net.Dialer).DialContext, addr.String(), message, recipients)
	}

	control := filepath.Join(dir, "smtpctl") // which insists on its group
	if out, err := exec.Command("install", "-g", "989", "-m", "2755",
		strings.TrimSuffix(binary, "smtpd")+"smtpctl", control).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	return send, func() {
		// It fails while the server is not up yet.
		_ = exec.Command("nsenter", "-m", "-t", fmt.Sprint(cmd.Process.Pid), control,
			"schedule", "all").Run()
	}
}

// inject hands a message to a server.
func inject(t *testing.T, dial func(context.Context, string, string) (net.Conn, error), addr string, message []byte, recipients []string) {
	t.Helper()
	var conn net.Conn
	var err error

	for range 100 {
		if conn, err = dial(t.Context(), "tcp", addr); err == nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}

	if err != nil {
		t.Fatal(err)
	}

	defer conn.Close()

	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	in := bufio.NewReader(conn)
	reply := func() string {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if len(line) > 3 && line[3] == ' ' {
				return line
			}
		}
	}

	reply()
	commands := []string{"EHLO test", "MAIL FROM:<a@example.org>"}
	for _, to := range recipients {
		commands = append(commands, "RCPT TO:<"+to+">")
	}

	for _, c := range append(commands, "DATA", string(message)+".") {
		fmt.Fprintf(conn, "%s\r\n", c)
		if said := reply(); said[0] != '2' && said[0] != '3' {
			t.Fatalf("%.40s: %s", c, said)
		}
	}
}

// eximSender sends at once, as a command.
func eximSender(t *testing.T, through func(net.Listener) *cutter) (func([]byte, []string), func()) {
	binary := unpacked(t, "exim4-daemon-light/usr/sbin/exim4")
	host, port, _ := net.SplitHostPort(through(local(t)).addr)
	dir, script := accounts(t, "Debian-exim")
	conf := writeIn(t, dir, "exim.conf", strings.NewReplacer("DIR", dir, "HOST", host, "PORT",
		port).Replace(`primary_hostname = sender.example.org
spool_directory = DIR
log_file_path = DIR/log-%slog
host_lookup =
keep_environment =
message_size_limit = 100M
begin routers
all:
  driver = manualroute
  route_list = * HOST
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = PORT
  hosts_avoid_tls = *
  hosts_try_chunking = *
  max_rcpt = 500
begin retry
* * F,1h,1s
`))

	path := writeIn(t, dir, "run", script+"exec "+binary+" -C "+conf+` "$@"
`)

	exim := func(input []byte, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "unshare",
			append([]string{"-m", "sh", path}, args...)...)
		cmd.Stdin = bytes.NewReader(input)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	send := func(message []byte, recipients []string) {
		if out, err := exim(message, append([]string{"-odf", "-oi", "-f", "a@example.org"},
			recipients...)...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}

	return send, func() { _, _ = exim(nil, "-qff") }
}

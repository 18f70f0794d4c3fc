package receiver

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	sessions     = 10
	messages     = 2000
	messageBytes = 4 << 10
)

// BenchmarkReceive has ten sessions bring 2,000 messages of 4 KiB, each safe before its 250, by a new
// connection for each and by connections that are kept: to the receiver, to Postfix, and to
// Postfix's smtp-sink, which stores nothing. The floor is the same files written and synced one by
// one, ten at a time, without SMTP.
func BenchmarkReceive(b *testing.B) {
	for _, program := range []string{"postfix", "smtp-source", "smtp-sink"} {
		if _, err := exec.LookPath(program); err != nil || os.Getuid() != 0 {
			b.Skipf("left out: the servers to compare with need root and %s", program)
		}
	}

	base := spread(b)
	peers := []struct{ name, addr string }{
		{"receiver", startChild(b, base+"/receiver").addr},
		{"postfix", startPostfix(b, base+"/postfix")}, {"sink", startSink(b)},
	}

	bare := &maildir{disk: alone{}, root: base + "/floor/mail"}
	took := map[string]time.Duration{}
	rounds := 0

	for b.Loop() {
		rounds++
		for _, p := range peers {
			took[p.name+"-new"] += newConnections(b, p.addr)
			took[p.name+"-kept"] += keptConnections(b, p.addr)
		}
		took["floor"] += writeFiles(b, bare, rounds)
	}

	b.ReportMetric(0, "ns/op")
	rate := func(what string) float64 {
		return float64(rounds*messages) / took[what].Seconds()
	}

	for _, way := range []string{"new", "kept"} {
		for _, p := range peers {
			b.ReportMetric(rate(p.name+"-"+way), p.name+"-"+way+"/s")
		}
		b.ReportMetric(rate("receiver-"+way)/rate("postfix-"+way), "x-postfix-"+way)
	}

	b.ReportMetric(rate("floor"), "floor/s")
	b.ReportMetric(rate("receiver-kept")/rate("floor"), "x-floor-kept")
}

// alone is a disk where each message is synced by itself.
type alone struct{ osDisk }

func (alone) groups() bool { return false }

// writeFiles stores the messages without SMTP.
func writeFiles(b *testing.B, m *maildir, round int) time.Duration {
	body := strings.Repeat("x", messageBytes)
	start := time.Now()
	var wg sync.WaitGroup

	for i := range sessions {
		wg.Go(func() {
			for n := range messages / sessions {
				if _, _, err := m.store([]string{"mario"},
					fmt.Sprintf("%d-%d-%d", round, i, n), nil,
					strings.NewReader(body)); err != nil {
					b.Error(err)
				}
			}
		})
	}

	wg.Wait()
	return time.Since(start)
}

// spread returns a directory whose directories ext4 puts far from each other, and from where
// others work: it searches long for a free inode where many files were just removed.
func spread(b *testing.B) string {
	b.Helper()
	base, err := os.MkdirTemp("", "mppeer") // a short name: those of sockets end at 107 octets
	if err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() { os.RemoveAll(base) })
	exec.Command("chattr", "+T", base).Run() // other file systems do without
	for _, dir := range []string{"receiver", "postfix", "floor"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			b.Fatal(err)
		}
	}

	if err := os.Chmod(base, 0o755); err != nil {
		b.Fatal(err)
	}

	return base
}

// newConnections sends with smtp-source.
func newConnections(b *testing.B, addr string) time.Duration {
	b.Helper()
	start := time.Now()
	out, err := exec.Command("smtp-source", "-s", fmt.Sprint(sessions), "-m",
		fmt.Sprint(messages), "-l", fmt.Sprint(messageBytes),
		"-f", "a@client.example", "-t", "postmaster@nomeazienda.it",
		"inet:"+addr).CombinedOutput()

	if err != nil {
		b.Fatalf("smtp-source: %v: %s", err, out)
	}

	return time.Since(start)
}

// keptConnections sends on one connection a session.
func keptConnections(b *testing.B, addr string) time.Duration {
	b.Helper()
	body := strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n",
		messageBytes/64)

	start := time.Now()
	var wg sync.WaitGroup
	for range sessions {
		wg.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}

			defer conn.Close()

			in := bufio.NewReader(conn)
			say := func(text, want string) bool {
				if _, err := conn.Write([]byte(text)); err != nil {
					b.Errorf("%.40q: %v", text, err)
					return false
				}

				for {
					line, err := in.ReadString('\n')
					if err != nil || !strings.HasPrefix(line, want) {
						b.Errorf("%.40q: %q, %v", text, line, err)
						return false
					}

					if line[3] == ' ' {
						return true
					}
				}
			}

			ok := say("", "220") && say("EHLO client.example\r\n", "250")
			for n := 0; ok && n < messages/sessions; n++ {
				ok = say("MAIL FROM:<a@client.example>\r\n", "250") &&
					say("RCPT TO:<postmaster@nomeazienda.it>\r\n", "250") &&
					say("DATA\r\n", "354") && say(body+".\r\n", "250")
			}
		})
	}

	wg.Wait()
	return time.Since(start)
}

// startPostfix starts a Postfix of its own, which takes mail into its queue durably and then throws it
// away.
func startPostfix(b *testing.B, dir string) (addr string) {
	b.Helper()
	addr = freeAddr(b)
	if out, err := exec.Command("sh", "-euc",
		fmt.Sprintf(postfixInstall, dir, addr)).CombinedOutput(); err != nil {
		b.Fatalf("postfix: %v: %s", err, out)
	}

	b.Cleanup(func() { exec.Command("postfix", "-c", dir+"/etc", "stop").Run() })
	waitFor(b, addr)
	return addr
}

const postfixInstall = `
cd %[1]s
chmod 755 .
mkdir etc spool lib
chown postfix lib
sed 's/^smtp .*inet.*/%[2]s inet n - n - - smtpd/; /^#/d' /usr/share/postfix/master.cf.dist | sed 's/^\([a-z]* *[a-z]* *[-yn] *[-yn] *\)[-y] /\1n /' >etc/master.cf
cp /etc/postfix/dynamicmaps.cf etc/
cat >etc/main.cf <<CF
compatibility_level = 3.6
myhostname = mail.nomeazienda.it
mydestination = nomeazienda.it
local_recipient_maps =
local_transport = discard:
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.0/8
alias_maps =
queue_directory = %[1]s/spool
data_directory = %[1]s/lib
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
CF
touch -d '1 minute ago' etc/main.cf
postfix -c %[1]s/etc start
`

// startSink starts a server that takes mail and stores nothing.
func startSink(b *testing.B) (addr string) {
	b.Helper()
	addr = freeAddr(b)
	cmd := exec.Command("smtp-sink", "-u", "nobody", "inet:"+addr, "100")
	cmd.Dir = filepath.Dir(os.TempDir())
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})

	waitFor(b, addr)
	return addr
}

// freeAddr returns an address on loopback where nobody listens.
func freeAddr(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// waitFor waits until a server greets.
func waitFor(b *testing.B, addr string) {
	b.Helper()
	var err error
	for range 300 {
		var conn net.Conn
		if conn, err = net.Dial("tcp", addr); err == nil {
			_, err = bufio.NewReader(conn).ReadString('\n')
			conn.Close()
			if err == nil {
				return
			}
		}

		time.Sleep(100 * time.Millisecond)
	}

	b.Fatalf("%s: %v", addr, err)
}

// BenchmarkIdle has a thousand clients that do nothing, each after EHLO: what the process holds in memory,
// and what it computes meanwhile.
func BenchmarkIdle(b *testing.B) {
	const clients = 1000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil ||
		limit.Cur < 2*clients {
		b.Skipf("left out: %d clients need as many open files, the limit is %d, %v", clients,
			limit.Cur, err)
	}

	c := startChild(b, b.TempDir())
	for range clients {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			b.Fatal(err)
		}

		defer conn.Close()

		in := bufio.NewReader(conn)
		fmt.Fprint(conn, "EHLO client.example\r\n")
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			if strings.HasPrefix(line, "250 ") {
				break
			}
		}
	}

	for b.Loop() {
		before := c.ticks(b)
		time.Sleep(time.Second)
		b.ReportMetric(float64(c.ticks(b)-before)*10, "ms-cpu/s") // a tick is 1/100 s
	}

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(c.status(b, "VmRSS"))/1024, "MiB")
	b.ReportMetric(float64(c.status(b, "VmHWM"))/1024, "MiB-most")
}

// status returns a number of /proc/PID/status.
func (c *child) status(b *testing.B, name string) (n int) {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}

	_, rest, _ := strings.Cut(string(data), name+":")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		b.Fatalf("%s: %v", name, err)
	}

	return n
}

// ticks returns how long the process has computed so far.
func (c *child) ticks(b *testing.B) int {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}

	field := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	user, err := strconv.Atoi(field[11])
	system, bad := strconv.Atoi(field[12])
	if err != nil || bad != nil {
		b.Fatal(err, bad)
	}

	return user + system
}

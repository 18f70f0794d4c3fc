package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/providers/servertest"
)

// farAway is the round trip to name servers and mail hosts that BenchmarkWatchFleet has.
const farAway = 30 * time.Millisecond

// fleetOf writes the configs of some sites, a zone of ten records each at BIND on loopback, each with a mail
// host at an address of its own. What they ask is answered after rtt.
func fleetOf(b *testing.B, sites int, rtt time.Duration) (dir string) {
	b.Helper()
	one := siteOf{zones: sites}
	all := one.filesApart()
	one.smtp = farMailHosts(b, rtt)
	server := servertest.BIND{
		Zones:    all,
		Secret:   benchSecret,
		Transfer: `key "mailpub.";`,
	}.Start(b)

	if rtt > 0 {
		server = delayed(b, server, rtt)
	}

	dir = filepath.Join(b.TempDir(), "sites")
	text := siteOf{zones: 1, smtp: one.smtp}.config(server)
	writeSites(b, dir, text, sites, func(i int, text string) string {
		return strings.Replace(text, "address: 127.0.0.1,",
			fmt.Sprintf("address: 127.1.%d.%d,", i/250, 1+i%250), 1)
	})

	return dir
}

// filesApart are the zones as they should be, each with a mail host of its own.
func (s siteOf) filesApart() map[string]string {
	all := s.files(nil)
	for i := range s.zones {
		all[benchZone(i)] = strings.ReplaceAll(all[benchZone(i)], "mail."+benchZone(0)+".",
			"mail."+benchZone(i)+".")
		if i > 0 {
			all[benchZone(i)] += "mail A 2.2.2.2\nmail TXT \"v=spf1 a -all\"\n"
		}
	}

	return all
}

// writeSites writes the configs of some sites into a directory, each a copy of text with a name and a zone of its own, and
// what edit alters beyond that.
func writeSites(b *testing.B, dir, text string, sites int, edit func(i int, text string) string) {
	b.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}

	for i := range sites {
		own := strings.ReplaceAll(text, benchZone(0), benchZone(i))
		own = strings.Replace(own, "site: bench\n",
			fmt.Sprintf("site: bench-%d\nservice: {type: manual}\n", i), 1)
		servertest.Write(b, filepath.Join(dir, fmt.Sprintf("%05d.yaml", i)), edit(i, own))
	}
}

// farMailHosts answers every command of SMTP at every address of loopback, after a time.
func farMailHosts(b *testing.B, rtt time.Duration) (port int) {
	b.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "0.0.0.0:0")
	if err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}

			go func() {
				defer c.Close()

				time.Sleep(2 * rtt) // of the handshake too
				fmt.Fprintf(c, "220 mail ESMTP\r\n")
				buf := make([]byte, 512)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					time.Sleep(rtt)
					fmt.Fprintf(c, "250 mail\r\n")
				}
			}()
		}
	}()

	return l.Addr().(*net.TCPAddr).Port
}

// delayed is a name server as it is seen over a distance: each answer comes rtt later.
func delayed(b *testing.B, server string, rtt time.Duration) (addr string) {
	b.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}

	udp, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() { l.Close(); udp.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go delayedConn(c, server, rtt)
		}
	}()
	go delayedPackets(udp, server, rtt)

	return l.Addr().String()
}

func delayedConn(c net.Conn, server string, rtt time.Duration) {
	defer c.Close()
	up, err := net.Dial("tcp", server)
	if err != nil {
		return
	}

	defer up.Close()

	type chunk struct {
		data []byte
		due  time.Time
	}

	answers := make(chan chunk, 256)
	go func() {
		defer close(answers)
		for {
			buf := make([]byte, 16<<10)
			n, err := up.Read(buf)
			if n > 0 {
				answers <- chunk{buf[:n], time.Now().Add(rtt)}
			}
			if err != nil {
				return
			}
		}
	}()

	go func() {
		time.Sleep(rtt) // of the handshake
		_, _ = io.Copy(up, c)
		up.Close()
	}()

	for a := range answers {
		time.Sleep(time.Until(a.due))
		if _, err := c.Write(a.data); err != nil {
			return
		}
	}
}

func delayedPackets(udp net.PacketConn, server string, rtt time.Duration) {
	var mu sync.Mutex
	peers := map[string]net.Conn{}
	buf := make([]byte, 4096)
	for {
		n, from, err := udp.ReadFrom(buf)
		if err != nil {
			return
		}

		mu.Lock()
		up := peers[from.String()]
		if up == nil {
			if up, err = net.Dial("udp", server); err != nil {
				mu.Unlock()
				continue
			}

			peers[from.String()] = up
			go func() {
				defer func() {
					up.Close()
					mu.Lock()
					delete(peers, from.String())
					mu.Unlock()
				}()

				for {
					answer := make([]byte, 4096)
					_ = up.SetReadDeadline(time.Now().Add(5 * time.Second))
					n, err := up.Read(answer)
					if err != nil {
						return
					}
					time.AfterFunc(rtt, func() { _, _ = udp.WriteTo(answer[:n], from) })
				}
			}()
		}

		mu.Unlock()
		_, _ = up.Write(buf[:n])
	}
}

// fleetWatch is a "mailpub watch" of a directory.
type fleetWatch struct {
	cmd  *exec.Cmd
	said *logged
	url  string
}

// watchFleet starts one, and waits until it has read its configs.
func watchFleet(b *testing.B, bin, dir string, atOnce int, sites int, more ...string) (w fleetWatch, started time.Duration) {
	b.Helper()
	args := append([]string{"watch", "--listen", "127.0.0.1:0", "--at-once", fmt.Sprint(atOnce), dir}, more...)
	w = fleetWatch{cmd: exec.Command(bin, args...), said: &logged{}}
	w.cmd.Env = append(os.Environ(), "MAILPUB_TSIG_KEY="+benchSecret)
	w.cmd.Stdout = w.said
	w.cmd.Stderr = w.said
	from := time.Now()
	start(b, w.cmd, w.said, "watched from now on", sites)
	started = time.Since(from)
	_, rest, _ := strings.Cut(w.said.String(), "url=http://")
	address, _, _ := strings.Cut(rest, "/")
	w.url = "http://" + address
	return w, started
}

// get loads a page, and returns how long that took.
func (w fleetWatch) get(b *testing.B, path string) (body []byte, took time.Duration) {
	b.Helper()
	from := time.Now()
	answer, err := (&http.Client{Timeout: 5 * time.Minute}).Get(w.url + path)
	if err != nil {
		b.Fatal(err)
	}

	defer answer.Body.Close()

	body, err = io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}

	return body, time.Since(from)
}

// waitLooked waits until all sites were looked at, and returns when the last one was.
func (w fleetWatch) waitLooked(b *testing.B, sites int, most time.Duration) {
	b.Helper()
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(2 * time.Second) {
		body, _ := w.get(b, "/metrics")
		var good, warn, bad int
		for _, line := range strings.Split(string(body), "\n") {
			_, _ = fmt.Sscanf(line, `mailpub_sites{state="good"} %d`, &good)
			_, _ = fmt.Sscanf(line, `mailpub_sites{state="warn"} %d`, &warn)
			_, _ = fmt.Sscanf(line, `mailpub_sites{state="bad"} %d`, &bad)
		}
		if good+warn+bad >= sites {
			return
		}
	}

	b.Fatalf("not all sites were looked at within %v", most)
}

// BenchmarkWatchFleet is "mailpub watch" of many sites: how long it takes to begin and to look at all of them, what
// a page and a changed file take then, its memory after all that, and what a second one takes that stands by.
// With a round trip of 30 ms name server and mail hosts are far away. See benchSizes.
func BenchmarkWatchFleet(b *testing.B) {
	bin := build(b, ".")
	for _, sites := range benchSizes(b) {
		for _, rtt := range []time.Duration{0, farAway} {
			b.Run(fmt.Sprintf("%d/%v", sites, rtt), func(b *testing.B) {
				dir := fleetOf(b, sites, rtt)
				for b.Loop() {
					benchSites(b, bin, dir, sites, rtt)
				}
			})
		}
	}
}

// benchSizes are the numbers of sites that are tried: 1,000, or what MAILPUB_SITES has ("1000,10000").
func benchSizes(b *testing.B) (sizes []int) {
	b.Helper()
	text := os.Getenv("MAILPUB_SITES")
	if text == "" {
		return []int{1000}
	}

	for word := range strings.SplitSeq(text, ",") {
		n := 0
		if _, err := fmt.Sscan(word, &n); err != nil {
			b.Fatalf("MAILPUB_SITES is %q: %v", text, err)
		}
		sizes = append(sizes, n)
	}

	return sizes
}

func benchSites(b *testing.B, bin, dir string, sites int, rtt time.Duration) {
	const atOnce = 64
	from := time.Now()
	w, started := watchFleet(b, bin, dir, atOnce, sites)
	w.waitLooked(b, sites, 30*time.Minute)
	pass := time.Since(from)
	cpu := cpuOf(b, w.cmd.Process.Pid)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(started.Seconds(), "s/start")
	b.ReportMetric(pass.Seconds(), "s/pass")
	b.ReportMetric(cpu.Seconds(), "cpu-s/pass")

	if rtt == 0 {
		page := []float64{}
		for range 20 {
			_, took := w.get(b, "/?page=3")
			page = append(page, took.Seconds()*1e3)
			time.Sleep(100 * time.Millisecond)
		}

		_, report := w.get(b, "/api/report")
		b.ReportMetric(median(page), "ms/page-median")
		b.ReportMetric(report.Seconds(), "s/report")
		b.ReportMetric(changedFile(b, w, dir), "ms/changed-file")
		b.ReportMetric(standingBy(b, bin, dir, sites), "%core-standby")
	}

	b.ReportMetric(memoryOf(b, w.cmd.Process.Pid), "MiB")
	b.ReportMetric(peakOf(b, w.cmd.Process.Pid), "MiB-peak")
}

// changedFile is how long it takes from a change of a file until its site is watched as the file is now.
func changedFile(b *testing.B, w fleetWatch, dir string) (ms float64) {
	b.Helper()
	path := filepath.Join(dir, "00042.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}

	const said = "the config was read again"
	before := strings.Count(w.said.String(), said)
	servertest.Write(b, path, string(bytes.TrimSpace(text))+"\n# changed\n")
	at := time.Now()
	waitFor(b, w.said, said, before+1)
	return time.Since(at).Seconds() * 1e3
}

// standingBy is what a second watcher of the same sites takes of a core while the first one leads.
func standingBy(b *testing.B, bin, dir string, sites int) (percent float64) {
	b.Helper()
	second, _ := watchFleet(b, bin, dir, 64, sites)
	waitFor(b, second.said, "standing by", sites)
	time.Sleep(5 * time.Second)
	const span = 30 * time.Second
	before := cpuOf(b, second.cmd.Process.Pid)
	time.Sleep(span)
	return 100 * (cpuOf(b, second.cmd.Process.Pid) - before).Seconds() / span.Seconds()
}

// peakOf is the most that a process has held in memory so far, in MiB.
func peakOf(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}

	_, rest, _ := bytes.Cut(data, []byte("VmHWM:"))
	kib := 0
	if _, err := fmt.Sscan(string(rest), &kib); err != nil {
		b.Fatal(err)
	}

	return float64(kib) / 1024
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
)

// BenchmarkWatchReboot is a router that restarts under "mailpub watch": from the moment that it
// answers again until its five forwards are back, each read back. The floor is the time until its
// first announcement and five bare requests, nothing looked at, to the same router. Beside it, in the same
// rounds, a router of its own restarts for which only upnpc is run, the moment that it answers again;
// how long a crontab waits before that is arithmetic.
func BenchmarkWatchReboot(b *testing.B) {
	if _, err := exec.LookPath("upnpc"); err != nil {
		b.Skip("left out: no upnpc here; apt-get install --no-install-recommends miniupnpc")
	}

	l := lab.Up(b, lab.Options{})
	bin := build(b, ".")
	beside := lab.Up(b, lab.Options{})
	config := forwardsOf(b, "auto")
	took(b, l.Command(b.Context(), "lan", bin, "-c", config, "apply", "--yes"))
	said := &logged{}
	cmd := l.Command(context.Background(), "lan", bin, "-c", config, "-v", "watch")
	cmd.Stdout = said
	cmd.Stderr = said
	start(b, cmd, said, "msg=looked", 1)
	var back, floor, upnpc []float64

	for i := 1; b.Loop(); i++ {
		time.Sleep(11 * time.Second) // what is announced within 10 s is one restart
		from := len(said.String())
		answers := make(chan time.Time, 1)
		go func() { answers <- answersAgain(l) }()
		l.Reboot(b)
		up := <-answers
		waitFor(b, said, "msg=\"restored\"", i)
		log := said.String()[from:]
		heard := stamp(b, log, "event=restarted")
		mended := stamps(log, "msg=forward key=")

		if len(mended) != 5 {
			b.Fatalf("%d forwards were restored:\n%s", len(mended), log)
		}

		expectForwards(b, l, 5)
		back = append(back, slices.MaxFunc(mended, time.Time.Compare).Sub(up).Seconds()*1e3)
		floor = append(floor, max(heard.Sub(up).Seconds()*1e3, 0)+bareAdds(b, l))
		upnpc = append(upnpc, upnpcAfter(b, beside))
	}

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(back), "ms/back-median")
	b.ReportMetric(slices.Max(back), "ms/back-worst")
	b.ReportMetric(median(floor), "ms/floor-median")
	b.ReportMetric(median(back)/median(floor), "x-floor")
	b.ReportMetric(median(upnpc), "ms/upnpc-median")
	b.ReportMetric(slices.Max(upnpc), "ms/upnpc-worst")
}

// upnpcAfter restarts a router and returns how long upnpc then takes to put five forwards there, in ms, begun
// the moment that the router answers again.
func upnpcAfter(b *testing.B, l *lab.Lab) float64 {
	b.Helper()
	answers := make(chan time.Time, 1)
	go func() { answers <- answersAgain(l) }()
	l.Reboot(b)
	up := <-answers
	expectForwards(b, l, 0)
	took(b, l.Command(b.Context(), "lan", "upnpc", "-r", "25", "tcp", "110", "tcp", "143",
		"tcp", "3000", "tcp", "1000", "tcp"))

	ms := time.Since(up).Seconds() * 1e3
	expectForwards(b, l, 5)
	return ms
}

// start starts a process that ends with the benchmark, and waits until it has said something.
func start(b *testing.B, cmd *exec.Cmd, said *logged, text string, times int) {
	b.Helper()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})

	waitFor(b, said, text, times)
}

func waitFor(b *testing.B, said *logged, text string, times int) {
	b.Helper()
	for range 3000 {
		if strings.Count(said.String(), text) >= times {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}

	b.Fatalf("it did not say %q %d times:\n%s", text, times, said)
}

// answersAgain returns when the router can be connected to, after it could not be.
func answersAgain(l *lab.Lab) time.Time {
	dial := l.Dial("lan")
	down := false
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		conn, err := dial(ctx, "tcp", lab.Router+":5000")
		cancel()
		if err == nil {
			conn.Close()
			if down {
				return time.Now()
			}
		}

		down = down || err != nil
		time.Sleep(time.Millisecond)
	}
}

// stamps are the times of a log's lines that hold a text.
func stamps(log, text string) (all []time.Time) {
	at := regexp.MustCompile(`^time=(\S+) `)
	for line := range strings.Lines(log) {
		if m := at.FindStringSubmatch(line); m != nil && strings.Contains(line, text) {
			if t, err := time.Parse(time.RFC3339Nano, m[1]); err == nil {
				all = append(all, t)
			}
		}
	}

	return all
}

func stamp(b *testing.B, log, text string) time.Time {
	b.Helper()
	all := stamps(log, text)
	if len(all) == 0 {
		b.Fatalf("no %q in:\n%s", text, log)
	}
	return all[0]
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// bareAdds is how long five requests take the router that map ports, in ms; they are taken back.
func bareAdds(b *testing.B, l *lab.Lab) float64 {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: l.Dial("lan")}}
	defer client.CloseIdleConnections()

	control := regexp.MustCompile(`WANIPConn1?.*?<controlURL>([^<]+)</controlURL>`)
	answer, err := client.Get("http://" + lab.Router + ":5000/rootDesc.xml")
	if err != nil {
		b.Fatal(err)
	}

	description, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	at := control.FindSubmatch(description)

	if at == nil {
		b.Fatalf("no control URL in:\n%s", description)
	}

	const service = "urn:schemas-upnp-org:service:WANIPConnection:2"
	call := func(action, arguments string) {
		body := `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:` +
			action + ` xmlns:u="` + service + `">` + arguments + `</u:` + action +
			`></s:Body></s:Envelope>`

		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost,
			"http://"+lab.Router+":5000"+string(at[1]), strings.NewReader(body))

		if err != nil {
			b.Fatal(err)
		}

		r.Header.Set("Content-Type", `text/xml; charset="utf-8"`)
		r.Header.Set("SOAPAction", `"`+service+"#"+action+`"`)
		answer, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}

		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			b.Fatalf("%s: %s\n%s", action, answer.Status, text)
		}
	}

	port := func(i int) string {
		return fmt.Sprintf("<NewRemoteHost></NewRemoteHost><NewExternalPort>%d</NewExternalPort><NewProtocol>TCP</NewProtocol>", 7001+i)
	}

	from := time.Now()
	for i := range 5 {
		call("AddPortMapping", port(i)+fmt.Sprintf("<NewInternalPort>%d</NewInternalPort><NewInternalClient>%s</NewInternalClient><NewEnabled>1</NewEnabled>"+
			"<NewPortMappingDescription>bench</NewPortMappingDescription><NewLeaseDuration>3600</NewLeaseDuration>",
			7001+i, lab.Server))
	}

	ms := time.Since(from).Seconds() * 1e3
	for i := range 5 {
		call("DeletePortMapping", port(i))
	}

	return ms
}

// BenchmarkWatchSites is one full pass over 1,000 site files, a zone of ten records each, at a
// BIND on loopback, planned and verified: what it takes of one core when it comes every 15
// minutes, and how much memory at its most.
func BenchmarkWatchSites(b *testing.B) {
	const sites = 1000
	dir := sitesAtBIND(b, sites)
	bin := build(b, ".")
	var cpu, wall time.Duration
	var most float64

	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), bin, "watch", "--once", "--log", "json", dir)
		cmd.Env = append(os.Environ(), "MAILPUB_TSIG_KEY="+benchSecret)
		var out bytes.Buffer
		cmd.Stdout = &out
		cmd.Stderr = &out
		at := time.Now()
		_ = cmd.Run() // that the mail host's PTR is not there is told
		wall += time.Since(at)

		if n := strings.Count(out.String(), "\nbench-"); n < sites-1 {
			b.Fatalf("%d sites were looked at:\n%s", n, out.String()[:min(out.Len(), 3000)])
		}

		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		most = max(most, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024)
	}

	n := float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(wall.Seconds()/n, "s/pass")
	b.ReportMetric(cpu.Seconds()/n, "cpu-s/pass")
	b.ReportMetric(100*cpu.Seconds()/n/(15*time.Minute).Seconds(), "%core-at-15min")
	b.ReportMetric(most, "MiB")
}

// sitesAtBIND starts a BIND and writes a directory of site files, each with a zone of ten records there.
func sitesAtBIND(b *testing.B, sites int) (dir string) {
	b.Helper()
	one := siteOf{zones: sites}
	all := one.filesApart()
	server, config := one.start(b, all)
	dir = filepath.Join(filepath.Dir(config), "sites")
	text := siteOf{zones: 1, smtp: one.smtp}.config(server)
	writeSites(b, dir, text, sites, func(_ int, text string) string { return text })

	return dir
}

// BenchmarkWatchIdle is "mailpub watch" of one site with five forwards between two passes: its
// share of a core over 20 s, and its memory.
func BenchmarkWatchIdle(b *testing.B) {
	l := lab.Up(b, lab.Options{})
	bin := build(b, ".")
	config := forwardsOf(b, "auto")
	took(b, l.Command(b.Context(), "lan", bin, "-c", config, "apply", "--yes"))
	said := &logged{}
	cmd := l.Command(context.Background(), "lan", bin, "-c", config, "-v", "watch")
	cmd.Stdout = said
	cmd.Stderr = said
	start(b, cmd, said, "msg=looked", 1)
	const span = 20 * time.Second
	var used time.Duration

	for b.Loop() {
		before := cpuOf(b, cmd.Process.Pid)
		time.Sleep(span)
		used += cpuOf(b, cmd.Process.Pid) - before
	}

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(100*used.Seconds()/(span.Seconds()*float64(b.N)), "%core")
	b.ReportMetric(memoryOf(b, cmd.Process.Pid), "MiB")
}

// cpuOf is what a process has used of the processor so far (proc(5): stat, in ticks of 10 ms).
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}

	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])

	if err1 != nil || err2 != nil {
		b.Fatalf("%v, %v", err1, err2)
	}

	return time.Duration(user+system) * 10 * time.Millisecond
}

// memoryOf is what a process holds in memory, in MiB.
func memoryOf(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}

	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(data)
	if m == nil {
		b.Fatalf("no VmRSS in:\n%s", data)
	}

	kib, err := strconv.Atoi(string(m[1]))
	if err != nil {
		b.Fatal(err)
	}

	return float64(kib) / 1024
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/providers/servertest"
)

const benchSecret = "c2VjcmV0IG9mIHRoZSBiZW5jaG1hcmtzLCBub3QgYSBzZWNyZXQ="

// siteOf is a site of n zones that serve ten records of mail each, or of one zone with
// names that do no mail, two records each.
type siteOf struct {
	zones, nomail int
	smtp          int // the mail server's port; start sets it
}

func benchZone(i int) string { return fmt.Sprintf("z%04d.example", i) }

func (s siteOf) config(server string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `site: bench
server: {hostname: mail.%s, address: 127.0.0.1, public: {ipv4: 2.2.2.2}}
router: {protocol: none, forwards: [{name: smtp, port: 25, internal: %d}]}
verify: {resolvers: ["%s"]}
domains:
`, benchZone(0), s.smtp, server)

	for i := range s.zones {
		fmt.Fprintf(&b, "  - name: %s\n", benchZone(i))
		fmt.Fprintf(&b, "    dmarc: {policy: reject, rua: [postmaster@%s]}\n    tlsrpt: [postmaster@%[1]s]\n    services:\n",
			benchZone(i))
		for _, name := range []string{"imaps", "imap", "pop3s", "pop3", "submissions",
			"submission"} {
			fmt.Fprintf(&b, "      - {name: %s}\n", name)
		}
	}

	if s.nomail > 0 {
		b.WriteString("nomail:\n")
		for i := range s.nomail {
			fmt.Fprintf(&b, "  - h%05d.%s\n", i, benchZone(0))
		}
	}

	b.WriteString("zones:\n")
	for i := range s.zones {
		fmt.Fprintf(&b, "  - name: %s\n    provider: rfc2136\n    nameservers: [\"%s\"]\n    settings: {server: \"%[2]s\", key_name: mailpub., key: \"env:MAILPUB_TSIG_KEY\"}\n",
			benchZone(i), server)
	}

	return b.String()
}

// files are the zones as they should be, but for the names of which wrong says otherwise.
func (s siteOf) files(wrong func(i int) bool) map[string]string {
	out := map[string]string{}
	for i := range s.zones {
		var b strings.Builder
		host := "mail." + benchZone(0) + "."
		b.WriteString("$TTL 3600\n@ IN SOA ns hostmaster 1 3600 600 86400 300\n@ IN NS ns\nns IN A 127.0.0.1\n")
		fmt.Fprintf(&b, "@ MX 10 %s\n@ TXT \"v=spf1 mx ip4:2.2.2.2 -all\"\n", host)
		fmt.Fprintf(&b, "_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:postmaster@%s\"\n_smtp._tls TXT \"v=TLSRPTv1; rua=mailto:postmaster@%[1]s\"\n",
			benchZone(i))

		for name, port := range map[string]int{"imaps": 993, "imap": 143, "pop3s": 995,
			"pop3": 110, "submissions": 465, "submission": 587} {
			fmt.Fprintf(&b, "_%s._tcp SRV 0 1 %d %s\n", name, port, host)
		}

		if i == 0 {
			b.WriteString("mail A 2.2.2.2\nmail TXT \"v=spf1 a -all\"\n")
			for j := range s.nomail {
				mx := "MX 0 ."
				if wrong(j) {
					mx = "MX 10 old.example.net."
				}
				fmt.Fprintf(&b, "h%05d %s\nh%05[1]d TXT \"v=spf1 -all\"\n", j, mx)
			}
		}

		out[benchZone(i)] = b.String()
	}

	return out
}

// start runs BIND at its default limits, and a mail server, and returns its address and the
// config's path.
func (s *siteOf) start(b *testing.B, files map[string]string) (server, config string) {
	b.Helper()
	s.smtp = mailHost(b, "mail."+benchZone(0))
	server = servertest.BIND{
		Zones:    files,
		Secret:   benchSecret,
		Transfer: `key "mailpub.";`,
	}.Start(b)

	config = filepath.Join(b.TempDir(), "mailpub.yaml")
	servertest.Write(b, config, s.config(server))
	return server, config
}

// usage is what processes took.
type usage struct {
	wall, cpu time.Duration
	peak      float64 // memory at its most, in MiB
}

func (u *usage) add(more usage) {
	u.wall += more.wall
	u.cpu += more.cpu
	u.peak = max(u.peak, more.peak)
}

// run is one process, and what it printed.
func run(b *testing.B, code int, name string, args ...string) (took usage, out string) {
	b.Helper()
	var said bytes.Buffer
	cmd := exec.CommandContext(b.Context(), name, args...)
	cmd.Env = append(os.Environ(), "MAILPUB_TSIG_KEY="+benchSecret)
	cmd.Stdout = &said
	cmd.Stderr = &said
	start := time.Now()
	err := cmd.Run()
	took.wall = time.Since(start)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) ||
		cmd.ProcessState.ExitCode() != code {
		text := said.String()
		b.Fatalf("%s %q: %v\n%s", name, args, err, text[max(0, len(text)-2000):])
	}

	took.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	took.peak = float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	return took, said.String()
}

// digAXFR transfers the zones one after the other in one process.
func digAXFR(b *testing.B, server string, zones int) usage {
	b.Helper()
	host, port, _ := net.SplitHostPort(server)
	var batch strings.Builder

	for i := range zones {
		fmt.Fprintf(&batch, "%s AXFR\n", benchZone(i))
	}

	file := filepath.Join(b.TempDir(), "batch")
	servertest.Write(b, file, batch.String())
	took, out := run(b, 0, "dig", "@"+host, "-p", port, "-y",
		"hmac-sha256:mailpub.:"+benchSecret, "-f", file)

	if n := strings.Count(out, ";; XFR size"); n != zones {
		b.Fatalf("dig transferred %d of %d zones", n, zones)
	}

	return took
}

// BenchmarkDNSPlan is a whole "mailpub plan" of zones that are as they should be, against
// "dig AXFR" of the same zones, in turn; and of one large zone of which a part differs.
func BenchmarkDNSPlan(b *testing.B) {
	for _, c := range []struct {
		name    string
		site    siteOf
		differs int
	}{
		{"1x10", siteOf{zones: 1}, 0},
		{"100x10", siteOf{zones: 100}, 0},
		{"1000x10", siteOf{zones: 1000}, 0},
		{"10000-100-differ", siteOf{zones: 1, nomail: 5000}, 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			server, config := c.site.start(b, c.site.files(func(i int) bool {
				return i%50 == 0 && i/50 < c.differs
			}))

			bin := build(b, ".")
			code := 0
			if c.differs == 0 { // so that there is a ledger, as in daily use
				run(b, 0, bin, "-c", config, "apply", "--yes")
			}

			if c.differs > 0 {
				code = 2
			}

			former := newFormer(b, config, code)
			var plan, dig usage
			for b.Loop() {
				took, out := run(b, code, bin, "-c", config, "plan",
					"--detailed-exitcode")

				if want := fmt.Sprintf("%d to change", c.differs); c.differs > 0 &&
					!strings.Contains(out, want) {
					b.Fatalf("not %q:\n%s", want, out[max(0, len(out)-500):])
				}

				plan.add(took)
				dig.add(digAXFR(b, server, c.site.zones))
				former.plan(b)
			}

			report(b, plan, dig, "plan")
			former.report(b)
		})
	}
}

// BenchmarkDNSApply is a whole "mailpub apply" of 1,000 new records in one zone, with
// everything that apply asks and waits for, against "dig AXFR" of the zone afterwards.
func BenchmarkDNSApply(b *testing.B) {
	bin := build(b, ".")
	var apply, dig usage

	for b.Loop() {
		b.StopTimer()
		site := siteOf{zones: 1}
		server, config := site.start(b, site.files(nil))
		run(b, 0, bin, "-c", config, "apply", "--yes") // everything else is in place
		site.nomail = 500
		servertest.Write(b, config, site.config(server))
		b.StartTimer()
		took, out := run(b, 0, bin, "-c", config, "apply", "--yes")

		if !strings.Contains(out, "Done: 1000 changes") {
			b.Fatalf("not everything was applied:\n%s", out[max(0, len(out)-1000):])
		}

		apply.add(took)
		dig.add(digAXFR(b, server, 1))
	}

	report(b, apply, dig, "apply")
}

// formerEnv names another build of mailpub, such as an earlier one, that plans the same zones in turn. What both take
// of the processor can be compared on a machine that has other work, too.
const formerEnv = "MAILPUB_BENCH_FORMER"

// former is that build, nil without one.
type former struct {
	bin, config string
	code        int
	used        usage
}

// newFormer has the build take the zones up, in a state directory of its own.
func newFormer(b *testing.B, config string, code int) *former {
	b.Helper()
	f := &former{
		bin:    os.Getenv(formerEnv),
		config: filepath.Join(b.TempDir(), "mailpub.yaml"),
		code:   code,
	}

	if f.bin == "" {
		return nil
	}

	text, err := os.ReadFile(config)
	if err != nil {
		b.Fatal(err)
	}

	servertest.Write(b, f.config, string(text))
	if code == 0 {
		run(b, 0, f.bin, "-c", f.config, "apply", "--yes")
	}

	return f
}

func (f *former) plan(b *testing.B) {
	b.Helper()
	if f == nil {
		return
	}

	took, _ := run(b, f.code, f.bin, "-c", f.config, "plan", "--detailed-exitcode")
	f.used.add(took)
}

func (f *former) report(b *testing.B) {
	if f == nil {
		return
	}

	b.ReportMetric(f.used.wall.Seconds()*1e3/float64(b.N), "ms/former")
	b.ReportMetric(f.used.cpu.Seconds()*1e3/float64(b.N), "cpu-ms/former")
	b.ReportMetric(f.used.peak, "MiB-former")
}

func report(b *testing.B, ours, dig usage, what string) {
	n := float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.wall.Seconds()*1e3/n, "ms/"+what)
	b.ReportMetric(ours.cpu.Seconds()*1e3/n, "cpu-ms/"+what)
	b.ReportMetric(dig.wall.Seconds()*1e3/n, "ms/dig")
	b.ReportMetric(ours.wall.Seconds()/dig.wall.Seconds(), "x-dig")
	b.ReportMetric(ours.peak, "MiB")
}

// mailHost answers as a mail server does until somebody hangs up, and returns its port.
func mailHost(b testing.TB, name string) int {
	b.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() { l.Close() })
	go greetAs(l, name)
	return l.Addr().(*net.TCPAddr).Port
}

// greetAs answers every command of SMTP as a host, until the listener is closed.
func greetAs(l net.Listener, name string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}

		go func() {
			defer c.Close()

			fmt.Fprintf(c, "220 %s ESMTP\r\n", name)
			buf := make([]byte, 512)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
				fmt.Fprintf(c, "250 %s\r\n", name)
			}
		}()
	}
}

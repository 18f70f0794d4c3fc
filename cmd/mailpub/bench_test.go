package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
)

// build compiles a command as "make build" does.
func build(b *testing.B, pkg string) string {
	b.Helper()
	bin := filepath.Join(b.TempDir(), "bin")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}

	return bin
}

// BenchmarkVersion is the start of the process: mailpub version against a program that
// prints one line, in turn.
func BenchmarkVersion(b *testing.B) {
	hello := filepath.Join(b.TempDir(), "hello.go")
	text := "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello, world\") }\n"
	if err := os.WriteFile(hello, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}

	ours := build(b, ".")
	bare := build(b, hello)
	var version, line time.Duration
	const rounds = 50

	for b.Loop() {
		for range rounds {
			version += took(b, exec.Command(ours, "version"))
			line += took(b, exec.Command(bare))
		}
	}

	n := float64(b.N * rounds)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(version.Seconds()*1e3/n, "ms/version")
	b.ReportMetric(line.Seconds()*1e3/n, "ms/hello")
	b.ReportMetric(version.Seconds()/line.Seconds(), "x-hello")
}

func took(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return time.Since(start)
}

// forwardsOnly is a site of which mailpub can only write the forwards.
const forwardsOnly = `site: forwards
server: {hostname: mail.nomeazienda.it, address: 10.10.10.10, public: {ipv4: 2.2.2.2}}
domains: [{name: nomeazienda.it}]
zones: [{name: nomeazienda.it, provider: manual}]
router:
  forwards:
    - {name: smtp, port: 25}
    - {name: pop3, port: 110}
    - {name: imap, port: 143}
    - {name: worldclient, port: 3000}
    - {name: webadmin, port: 1000}
service: {type: manual}
verify: {resolvers: [2.2.2.3]}
`

// BenchmarkApplyForwards is a whole "mailpub apply" that finds the router and puts five
// forwards in place, with everything else that apply looks at, against upnpc in turn.
func BenchmarkApplyForwards(b *testing.B) {
	if _, err := exec.LookPath("upnpc"); err != nil {
		b.Skip("left out: no upnpc here; apt-get install --no-install-recommends miniupnpc")
	}

	bin := build(b, ".")
	l := lab.Up(b, lab.Options{})
	for _, protocol := range []string{"upnp", "pcp", "nat-pmp"} {
		b.Run(protocol, func(b *testing.B) { benchApply(b, l, bin, protocol) })
	}

	b.Run("auto", func(b *testing.B) { benchApply(b, l, bin, "auto") })
	// Where the router has no UPnP, upnpc has another to ask.
	b.Run("auto without UPnP", func(b *testing.B) {
		without := lab.Up(b, lab.Options{NoUPnP: true})
		config := forwardsOf(b, "auto")
		var ours time.Duration

		for b.Loop() {
			ours += took(b, without.Command(b.Context(), "lan", bin, "-c", config, "apply",
				"--yes"))
			expectForwards(b, without, 5)
			took(b, without.Command(b.Context(), "lan", bin, "-c", config, "destroy", "--yes"))
		}

		b.ReportMetric(0, "ns/op")
		b.ReportMetric(ours.Seconds()*1e3/float64(b.N), "ms/apply")
	})
}

// forwardsOf writes the config of forwardsOnly, in a directory of its own.
func forwardsOf(b *testing.B, protocol string) string {
	b.Helper()
	config := filepath.Join(b.TempDir(), "mailpub.yaml")
	text := strings.Replace(forwardsOnly, "router:\n", "router:\n  protocol: "+protocol+"\n", 1)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return config
}

func benchApply(b *testing.B, l *lab.Lab, bin, protocol string) {
	config := forwardsOf(b, protocol)
	mailpub := func(args ...string) *exec.Cmd {
		return l.Command(b.Context(), "lan", append([]string{bin, "-c", config}, args...)...)
	}

	var ours, upnpc time.Duration
	for b.Loop() {
		ours += took(b, mailpub("apply", "--yes"))
		expectForwards(b, l, 5)
		took(b, mailpub("destroy", "--yes"))
		expectForwards(b, l, 0)
		upnpc += took(b, l.Command(b.Context(), "lan", "upnpc", "-r", "25", "tcp", "110",
			"tcp", "143", "tcp", "3000", "tcp", "1000", "tcp"))

		expectForwards(b, l, 5)
		for _, port := range []string{"25", "110", "143", "3000", "1000"} {
			took(b, l.Command(b.Context(), "lan", "upnpc", "-u",
				"http://"+lab.Router+":5000/rootDesc.xml", "-d", port, "tcp"))
		}
	}

	n := float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.Seconds()*1e3/n, "ms/apply")
	b.ReportMetric(upnpc.Seconds()*1e3/n, "ms/upnpc")
	b.ReportMetric(upnpc.Seconds()/ours.Seconds(), "x-faster-than-upnpc")
}

func expectForwards(b *testing.B, l *lab.Lab, want int) {
	b.Helper()
	if got := len(l.Mappings(b)); got != want {
		b.Fatalf("the router has %d forwards, want %d", got, want)
	}
}

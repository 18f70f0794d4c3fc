// Package lab makes a small Internet in network namespaces for tests: a mail server's
// host behind a real miniupnpd, a neighbour, and outside of it a real name server that holds
// nomeazienda.it. lab.sh does the work and is for people too; its head describes the
// hosts.
//
// The package knows nothing of mailpub. It needs root, Linux, and Debian's packages
// miniupnpd-nftables, bind9, nftables and iproute2, for Options.DNS also knot, or
// pdns-server, pdns-backend-sqlite3 and sqlite3.
package lab

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

//go:embed lab.sh
var script []byte

// Addresses in every lab.
const (
	Server     = "10.10.10.10"     // host lan, the mail server
	Neighbour  = "10.10.10.20"     // host lan2
	Router     = "10.10.10.1"      // host router, inside
	Public     = "2.2.2.2"         // host router, outside
	Outside    = "2.2.2.1"         // host inet
	NameServer = "2.2.2.3"         // host inet, port 53
	Server6    = "2001:db8:10::10" // host lan, with Options.IPv6
	Outside6   = "2001:db8:2::1"   // host inet
	Router2    = "10.20.20.1"      // host router2, inside, with Options.SecondRouter
	KeyName    = "mailpub."        // of the TSIG key, hmac-sha256
)

// Options chooses a lab. The zero value is a router that speaks IGD 2 and NAT-PMP and
// lets a host map ports to itself only.
type Options struct {
	IGD          int    // UPnP version of the router: 2 (also 0) or 1
	NoDaemon     bool   // the router answers no protocol
	NoUPnP       bool   // NAT-PMP alone
	NoNATPMP     bool   // UPnP alone
	Open         bool   // a host may map ports to another host
	Deny         string // external ports the router refuses: "1-1023"
	Lease        int    // the longest lease that the router grants by PCP, in seconds; 0 is its own idea
	DoubleNAT    string // "100.64.0": its WAN address is 100.64.0.2, behind another router
	Lie          bool   // with DoubleNAT: it claims 2.2.2.2 all the same
	IPv6         bool   // IPv6 as well, filtered by the router and not translated
	SecondRouter bool   // another router, on a second network card of lan
	DNS          string // the name server: "bind" (also ""), "knot", "powerdns"
	Signed       bool   // nomeazienda.it is signed
}

func (o Options) env() []string {
	word := func(b bool) string {
		if b {
			return "yes"
		}
		return "no"
	}

	igd := max(o.IGD, 1)
	if o.IGD == 0 {
		igd = 2
	}

	if o.NoDaemon {
		igd = 0
	}

	lease := ""
	if o.Lease > 0 {
		lease = strconv.Itoa(o.Lease)
	}

	env := []string{
		fmt.Sprintf("IGD=%d", igd), "UPNP=" + word(!o.NoUPnP), "NATPMP=" + word(!o.NoNATPMP),
		"SECURE=" + word(!o.Open),
		"DENY=" + o.Deny, "LEASE=" + lease, "LIE=" + word(o.Lie),
		"SECOND=" + word(o.SecondRouter), "V6=" + word(o.IPv6), "DOUBLE=" + o.DoubleNAT,
		"DNS=" + cmp.Or(o.DNS, "bind"), "SIGNED=" + word(o.Signed),
	}

	return env
}

// Lab is a lab that is up.
type Lab struct {
	Name string // namespaces are called Name-host
	Key  string // secret of the TSIG key, base64
	sh   string
	env  []string
}

// Up makes a lab with a name of its own and takes it down when the test ends. Where
// it can't be made the test is skipped with what is missing, or fails if the
// environment has MAILPUB_LAB=require.
func Up(t testing.TB, o Options) *Lab {
	t.Helper()
	if missing := Missing(); missing != "" {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("the lab can't be made: %s", missing)
		}
		t.Skipf("left out, as the lab can't be made: %s", missing)
	}

	l := &Lab{
		Name: fmt.Sprintf("mp%d-%08x", os.Getpid(), rand.Uint32()),
		sh:   filepath.Join(t.TempDir(), "lab.sh"),
	}

	if err := os.WriteFile(l.sh, script, 0o755); err != nil {
		t.Fatal(err)
	}

	l.env = append(append(os.Environ(), o.env()...), "LAB="+l.Name)
	t.Cleanup(func() {
		if _, err := l.run("down"); err != nil {
			t.Error(err)
		}
	})

	if _, err := l.run("up"); err != nil {
		t.Fatal(err)
	}

	key, err := l.run("key")
	if err != nil {
		t.Fatal(err)
	}

	l.Key = strings.TrimSpace(key)
	return l
}

// Missing says what keeps a lab from being made here, or "".
func Missing() string {
	if os.Getuid() != 0 {
		return "needs Linux and root"
	}

	for _, tool := range []struct{ cmd, pkg string }{
		{"knotd", "knot"}, {"pdns_server", "pdns-server"}, {"sqlite3", "sqlite3"},
		{"ip", "iproute2"}, {"ss", "iproute2"}, {"nft", "nftables"},
		{"miniupnpd", "miniupnpd-nftables"}, {"named", "bind9"},
	} {
		if _, err := exec.LookPath(tool.cmd); err != nil {
			return fmt.Sprintf("no %s here; apt-get install --no-install-recommends %s",
				tool.cmd, tool.pkg)
		}
	}

	return ""
}

func (l *Lab) run(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	cmd := exec.CommandContext(ctx, "bash", append([]string{l.sh}, command...)...)
	cmd.Env = l.env
	// Not CombinedOutput: the daemons keep what they inherit open.
	var out, errs strings.Builder
	cmd.Stdout = &out
	cmd.Stderr = &errs
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("lab.sh %q: %w: %s", command, err,
			strings.TrimSpace(errs.String()))
	}

	return out.String(), nil
}

// Command returns a command that will run on a host: "inet", "router", "lan", "lan2".
func (l *Lab) Command(ctx context.Context, host string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec",
		l.Name + "-" + host}, args...)...)
}

// Exec runs a command on a host, for at most 20 seconds, and returns what it printed.
func (l *Lab) Exec(t testing.TB, host string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := l.Command(ctx, host, args...).CombinedOutput()
	return string(out), err
}

// Reboot power-cycles the router: its daemon dies, comes back, and knows no mapping.
func (l *Lab) Reboot(t testing.TB) {
	t.Helper()
	if _, err := l.run("reboot"); err != nil {
		t.Fatal(err)
	}
}

// SetWAN gives the router another address outside: "2.2.2.7/24".
func (l *Lab) SetWAN(t testing.TB, address string) {
	t.Helper()
	if _, err := l.run("wan", address); err != nil {
		t.Fatal(err)
	}
}

// StopDNS ends the name server in good order, and StartDNS starts it again with what it had.
func (l *Lab) StopDNS(t testing.TB) { l.dns(t, "stop") }

// StartDNS starts the name server that StopDNS ended.
func (l *Lab) StartDNS(t testing.TB) { l.dns(t, "start") }

func (l *Lab) dns(t testing.TB, what string) {
	t.Helper()
	if _, err := l.run("dns", what); err != nil {
		t.Fatal(err)
	}
}

// Slow makes the router's daemon slow until the test ends: it stands still for pause, again
// and again, with a moment for work in between.
func (l *Lab) Slow(t testing.TB, pause time.Duration) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/run/mailpub-lab", l.Name, "router.pid"))
	if err != nil {
		t.Fatal(err)
	}

	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}

	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}

	end := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)

		for {
			_ = process.Signal(stopSignal)
			select {
			case <-time.After(pause):
			case <-end:
			}

			_ = process.Signal(goOnSignal)
			select {
			case <-time.After(30 * time.Millisecond):
			case <-end:
				return
			}
		}
	}()

	t.Cleanup(func() { close(end); <-ended })
}

// Goodbye ends the router's daemon in good order, as when its service is switched off.
func (l *Lab) Goodbye(t testing.TB) {
	t.Helper()
	if _, err := l.run("goodbye"); err != nil {
		t.Fatal(err)
	}
}

// Mappings returns what the router forwards, as its kernel has it: the address and
// port inside by the port outside. It does not tell TCP from UDP.
func (l *Lab) Mappings(t testing.TB) map[string]netip.AddrPort {
	t.Helper()
	rules, err := l.run("mappings")
	if err != nil {
		t.Fatal(err)
	}

	dnat := regexp.MustCompile(`dport (\d+) dnat ip to (\S+)`)
	found := map[string]netip.AddrPort{}
	for _, m := range dnat.FindAllStringSubmatch(rules, -1) {
		to, err := netip.ParseAddrPort(m[2])
		if err != nil {
			t.Fatalf("the router forwards to %q: %v", m[2], err)
		}
		found[m[1]] = to
	}

	return found
}

// Update changes a zone as another administrator would: the lines go to nsupdate,
// which has the server and the key already.
func (l *Lab) Update(t testing.TB, lines ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	cmd := l.Command(ctx, "inet", "nsupdate", "-v")
	cmd.Stdin = strings.NewReader(fmt.Sprintf("server %s\nkey hmac-sha256:%s %s\n%s\nsend\n",
		NameServer, KeyName, l.Key, strings.Join(lines, "\n")))

	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nsupdate: %v: %s", err, out)
	}
}

// Zone returns a zone as the name server has it, by transfer: sorted lines in the form of dig,
// without what moves with every change: the SOA, and signatures.
func (l *Lab) Zone(t testing.TB, zone string) []string {
	t.Helper()
	out, err := l.Exec(t, "inet", "dig", "@"+NameServer, "-y", "hmac-sha256:"+KeyName+":"+l.Key,
		"+noall", "+answer", "+onesoa", zone, "AXFR")
	if err != nil {
		t.Fatalf("dig: %v: %s", err, out)
	}
	return zoneLines(out)
}

package providers

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/providers/authdns"
)

// namedPath returns where BIND is. Without it the test fails in the lab, and is skipped
// elsewhere.
func namedPath(t *testing.T) string {
	t.Helper()
	for _, p := range []string{"named", "/usr/sbin/named", "/usr/local/sbin/named"} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	if os.Getenv("MAILPUB_LAB") == "require" {
		t.Fatal("named (BIND 9) is not installed")
	}
	t.Skip("named (BIND 9) is not installed: the driver is not tried on it")
	return ""
}

// bindConfig is a server on loopback that asks nobody else anything.
const bindConfig = `
options {
	directory %[1]q; pid-file none; session-keyfile %[3]q; managed-keys-directory %[1]q;
	listen-on port %[2]d { 127.0.0.1; }; listen-on-v6 { none; };
	recursion no; dnssec-validation no; empty-zones-enable no; notify no;
};
controls { };
key "mailpub." { algorithm hmac-sha256; secret %[4]q; };
key "reader." { algorithm hmac-sha256; secret %[4]q; };
zone "nomeazienda.it" { type primary; file "zone"; allow-update { key "mailpub."; }; allow-transfer { %[5]s }; };
`

// startBIND runs BIND with the zone of the tests and returns its address. transfer is who
// may transfer the zone, in BIND's words.
func startBIND(t *testing.T, transfer string) string {
	t.Helper()
	path, dir := namedPath(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "zone"), []byte(zoneText), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		port := freePort(t)
		conf := fmt.Sprintf(bindConfig, dir, port, filepath.Join(dir, "session.key"), testSecret, transfer)
		if err := os.WriteFile(filepath.Join(dir, "named.conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if runBIND(t, path, dir, addr) {
			return addr
		}
	}
	t.Fatal("BIND did not come up")
	return ""
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// runBIND reports whether the server came up; it ends with the test.
func runBIND(t *testing.T, path, dir, addr string) bool {
	t.Helper()
	var log output
	cmd := exec.Command(path, "-g", "-n", "1", "-c", filepath.Join(dir, "named.conf"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-gone
		}
		if t.Failed() {
			t.Logf("named:\n%s", log.String())
		}
	})
	client := &dns.Client{Timeout: 200 * time.Millisecond}
	deadline := time.After(20 * time.Second)
	for {
		m := new(dns.Msg).SetQuestion(testZone, dns.TypeSOA)
		if reply, _, err := client.Exchange(m, addr); err == nil && reply.Authoritative && len(reply.Answer) == 1 {
			return true
		}
		select {
		case <-gone:
			t.Logf("named ended:\n%s", log.String())
			return false
		case <-deadline:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// transferred returns the zone as the server transfers it, without its SOA.
func transferred(t *testing.T, addr string, key authdns.Key) []string {
	t.Helper()
	tr := &dns.Transfer{TsigSecret: map[string]string{key.Name: key.Secret}}
	m := new(dns.Msg).SetAxfr(testZone)
	m.SetTsig(key.Name, dns.Fqdn(key.Alg), 300, time.Now().Unix())
	envelopes, err := tr.In(m, addr)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		for _, rr := range e.RR {
			if rr.Header().Rrtype != dns.TypeSOA {
				out = append(out, strings.ReplaceAll(rr.String(), "\t", " "))
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestBIND(t *testing.T) {
	reader := testKey()
	reader.Name = "reader."
	for _, test := range []struct{ name, transfer string }{
		{"with transfer", `key "mailpub."; key "reader.";`},
		{"without transfer", `key "reader.";`},
	} {
		t.Run(test.name, func(t *testing.T) {
			runSuite(t, func(t *testing.T) (string, func(*testing.T) []string) {
				addr := startBIND(t, test.transfer)
				return addr, func(t *testing.T) []string { return without(transferred(t, addr, reader)) }
			})
		})
	}
}

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

// program returns where a server is. Without it the test fails in the lab, and is skipped
// elsewhere.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/bin/" + name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	if os.Getenv("MAILPUB_LAB") == "require" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed: the driver is not tried on it", name)
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
	path, dir := program(t, "named"), t.TempDir()
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
		if runServer(t, addr, testZone, path, "-g", "-n", "1", "-c", filepath.Join(dir, "named.conf")) {
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

// runServer reports whether the server came up with the zone; it ends with the test. An
// empty zone stands for any answer.
func runServer(t *testing.T, addr, zone, path string, args ...string) bool {
	t.Helper()
	var log output
	cmd := exec.Command(path, args...)
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
			t.Logf("%s:\n%s", path, log.String())
		}
	})
	client := &dns.Client{Timeout: 200 * time.Millisecond}
	deadline := time.After(20 * time.Second)
	for {
		m := new(dns.Msg).SetQuestion(dns.Fqdn(zone), dns.TypeSOA)
		if reply, _, err := client.Exchange(m, addr); err == nil && (zone == "" || reply.Authoritative && len(reply.Answer) > 0) {
			return true
		}
		select {
		case <-gone:
			t.Logf("%s ended:\n%s", path, log.String())
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

// transferred returns the zone of the tests as the server transfers it, without its SOA.
func transferred(t *testing.T, addr string, key authdns.Key) []string {
	t.Helper()
	return transferredZone(t, addr, testZone, key)
}

// transferredZone leaves out what the server itself puts in, to sign the zone.
func transferredZone(t *testing.T, addr, zone string, key authdns.Key) []string {
	t.Helper()
	tr := &dns.Transfer{TsigSecret: map[string]string{key.Name: key.Secret}, ReadTimeout: 10 * time.Second}
	m := new(dns.Msg).SetAxfr(zone)
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
			switch rr.Header().Rrtype {
			case dns.TypeSOA, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeDNSKEY, dns.TypeCDS, dns.TypeCDNSKEY, 65534:
			default:
				out = append(out, strings.ReplaceAll(rr.String(), "\t", " "))
			}
		}
	}
	slices.Sort(out)
	return out
}

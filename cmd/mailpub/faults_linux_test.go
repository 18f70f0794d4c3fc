package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
)

// TestLabFaults is what an administrator meets, on real servers: each fault has its own
// words and what to do, and leaves nothing half done.
func TestLabFaults(t *testing.T) {
	for _, c := range []struct {
		name    string
		options lab.Options
		config  [2]string // old, new
		command []string
		code    int
		says    []string
		changed bool // the world may have changed: what was done before the fault is kept
	}{
		{
			name: "no router", options: lab.Options{NoDaemon: true}, command: []string{"apply", "--yes"}, code: exitFailed,
			says: []string{"server.public.ipv4 is auto", "no router answers", "next: "},
		},
		{
			name: "no router, but the address is known", options: lab.Options{NoDaemon: true},
			config: [2]string{"ipv4: auto", "ipv4: 2.2.2.2"}, command: []string{"apply", "--yes"}, code: exitFailed,
			says: []string{"? tcp/25", "no router answers", "next: switch UPnP, PCP or NAT-PMP on in the router"},
		},
		{
			name: "low ports refused", options: lab.Options{Deny: "1-1023"}, command: []string{"apply", "--yes"}, code: exitFailed,
			says: []string{"tcp/25", "refuses", "allow low ports"}, changed: true,
		},
		{
			name: "double NAT", options: lab.Options{DoubleNAT: "100.64.0"}, command: []string{"apply", "--yes"}, code: exitFailed,
			says: []string{"server.public.ipv4 is auto", "no public address", "next: forward the ports in the outer router too"},
		},
		{
			name: "double NAT is found by verify", options: lab.Options{DoubleNAT: "100.64.0"}, command: []string{"verify", "--only", "router"},
			code: exitDiffer, says: []string{"FAIL  router.wan", "NAT"},
		},
		{
			name: "wrong key name", config: [2]string{"key_name: mailpub.", "key_name: other."}, command: []string{"apply", "--yes"},
			code: exitFailed, says: []string{"zone nomeazienda.it", "key"},
		},
		{
			name: "name server that is not there", config: [2]string{`server: "2.2.2.3:53"`, `server: "2.2.2.4:5399"`},
			command: []string{"apply", "--yes"}, code: exitFailed, says: []string{"zone nomeazienda.it", "2.2.2.4:5399"},
		},
		{
			name: "zone that the server does not have", config: [2]string{"name: 2.2.2.in-addr.arpa", "name: 2.in-addr.arpa"},
			command: []string{"apply", "--yes"}, code: exitFailed, says: []string{"2.in-addr.arpa"},
		},
		{
			name: "receive on a machine without the address", config: [2]string{"address: 10.10.10.10", "address: 10.10.10.11"},
			command: []string{"receive"}, code: exitFailed, says: []string{"no network card of", "service.listen"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSiteInLab(t, c.options)
			before := s.state()
			if c.config[0] != "" {
				s.edit(c.config[0], c.config[1])
			}

			out, errs, code := s.on("lan", append([]string{s.bin}, c.command...)...)
			t.Logf("it says:\n%s%s", out, errs)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}

			has(t, out+errs, c.says...)
			if strings.Contains(out+errs, s.lab.Key) {
				t.Error("the output holds the secret")
			}

			if after := s.state(); after != before && !c.changed {
				t.Errorf("the world changed:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

// Two routers: the default gateway is taken, whichever answers first, and the config can
// name the other.
func TestLabTwoRouters(t *testing.T) {
	s := newSiteInLab(t, lab.Options{SecondRouter: true})
	out := s.mailpub(exitOK, "plan")
	has(t, out, "the default gateway "+lab.Router, "public address 2.2.2.2")
	s.edit("protocol: auto", "protocol: auto\n  url: http://"+lab.Router2+":5000/rootDesc.xml")
	out, errs, _ := s.on("lan", s.bin, "plan")
	has(t, out+errs, "public address 2.2.2.9")
}

func (s *siteInLab) edit(old, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, "mailpub.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}

	if !strings.Contains(string(data), old) {
		s.t.Fatalf("the config has no %q", old)
	}

	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), old, text)),
		0o600); err != nil {
		s.t.Fatal(err)
	}
}

// The server's own firewall, which a connection from the server itself never meets.
func TestLabFirewall(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.services()
	s.mailpub(exitOK, "apply", "--yes")
	s.must("lan", "nft", "add table inet guard; add chain inet guard in { type filter hook input priority 0; policy accept; }; add rule inet guard in iifname eth0 tcp dport 25 drop")
	has(t, s.mailpub(exitOK, "verify"), "warn  port.inside  smtp at 10.10.10.10:25",
		"this host's firewall blocks it")

	has(t, s.mailpub(exitOK, "router"), "blocked tcp/25: this host's firewall blocks it")
	has(t, s.mailpub(exitOK, "--json", "router"), `"state": "blocked"`)
}

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
)

// TestLabProtocols is the life of the forwards by every protocol, on a real router: put in
// place, a message from outside, nothing to do, a restart that drift names and apply
// repairs, and all gone in the end.
func TestLabProtocols(t *testing.T) {
	for _, c := range []struct {
		name, protocol, why string
		options             lab.Options
		host                string // where mailpub runs
	}{
		{"UPnP 2", "upnp", "WANIPConnection:2", lab.Options{}, "lan"},
		{"UPnP 1", "upnp", "WANIPConnection:1", lab.Options{IGD: 1}, "lan"},
		{"PCP", "auto", "pcp: the default gateway", lab.Options{NoUPnP: true}, "lan"},
		{"NAT-PMP", "nat-pmp", "nat-pmp: the default gateway", lab.Options{NoUPnP: true}, "lan"},
		{"nftables", "nftables", "nftables", lab.Options{NoDaemon: true}, "router"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSiteInLab(t, c.options)
			s.host = c.host
			s.edit("protocol: auto", "protocol: "+c.protocol)
			s.services()
			before := s.state()
			has(t, s.mailpub(exitOK, "plan"), c.why)
			has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 16 changes.")

			if s.host == "router" { // its own filter lets nothing in, and is its administrator's
				has(t, s.mailpub(exitOK, "router"), "drop")
				s.must("router", "nft", "add", "rule", "inet", "filter", "forward", "ct",
					"status", "dnat", "accept")
			}

			s.send("nonce-first", "postmaster@nomeazienda.it")
			has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "No changes")
			has(t, s.mailpub(exitOK, "router"), "tcp/25", "ours")

			time.Sleep(4 * time.Second) // a younger router's restart can't be told (RFC 6886 section 3.6)
			s.restart()
			has(t, s.mailpub(exitDiffer, "drift"),
				"forward tcp/25: was put in place and is gone")

			has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 5 changes.")
			s.mailpub(exitOK, "drift")
			s.send("nonce-second", "abuse@nomeazienda.it")

			s.mailpub(exitOK, "destroy", "--yes")
			if after := s.state(); after != before {
				t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after,
					before)
			}

			if s.host == "router" {
				if rules := s.must("router", "nft", "list", "ruleset"); strings.Contains(rules,
					"mailpub") {
					t.Errorf("rules of ours are left:\n%s", rules)
				}
			}
		})
	}
}

// restart lets the router forget: its daemon is power-cycled, and where it is its own
// daemon, its rules go as they do when it boots without them. Then it returns the script that
// has them.
func (s *siteInLab) restart() (script string) {
	s.t.Helper()
	if s.host == "router" {
		script = s.mailpub(exitOK, "router", "--nft")
		has(s.t, script, "table ip mailpub", "dport 25 dnat to 10.10.10.10:25")
		s.must("router", "nft", "delete", "table", "ip", "mailpub")
		if strings.Contains(script, "table ip6 mailpub") {
			s.must("router", "nft", "delete", "table", "ip6", "mailpub")
		}
		return script
	}

	s.lab.Reboot(s.t)
	return ""
}

// Behind two NATs nothing that the router does is seen from outside: verify names it, and
// apply stops before MX.
func TestLabDoubleNAT(t *testing.T) {
	for _, c := range []struct {
		name, inner string // the router's own address
		options     lab.Options
	}{
		{"UPnP behind a provider", "100.64.0.2", lab.Options{DoubleNAT: "100.64.0"}},
		{"UPnP behind another router", "192.168.1.2", lab.Options{DoubleNAT: "192.168.1"}},
		{"PCP", "192.168.1.2", lab.Options{DoubleNAT: "192.168.1", NoUPnP: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSiteInLab(t, c.options)
			before := s.state()
			s.edit("ipv4: auto", "ipv4: 2.2.2.2")
			s.services()
			out, errs, code := s.on("lan", s.bin, "apply", "--yes")

			if code != exitFailed {
				t.Errorf("apply: exit code %d\n%s", code, out)
			}

			has(t, errs, c.inner, "2.2.2.2, as the config says",
				"next: forward the ports in the outer router")

			if after := s.state(); after != before {
				t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after,
					before)
			}

			has(t, s.mailpub(exitDiffer, "verify"), "FAIL  router.wan", "double NAT", c.inner,
				"2.2.2.2")
		})
	}

	t.Run("lying", func(t *testing.T) { // nothing inside can tell; only a look from outside could
		s := newSiteInLab(t, lab.Options{DoubleNAT: "100.64.0", Lie: true})
		s.services()
		has(t, s.mailpub(exitOK, "apply", "--yes"), "Done: 16 changes.")
		if _, _, code := s.on("inet", "socat", "-u", "OPEN:/dev/null",
			"TCP:2.2.2.2:25,connect-timeout=1"); code == 0 {
			t.Error("it is reached from outside; nothing is tried")
		}
	})
}

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
)

// fresh makes of the lab's server a host with nothing but the binary: no config, no mail server
// installed, a name of its own, and the lab's name server as its resolver.
func (s *siteInLab) fresh() {
	s.t.Helper()
	etc := filepath.Join("/etc/netns", s.lab.Name+"-lan")
	err := os.Remove(filepath.Join(s.dir, "mailpub.yaml"))
	if err == nil {
		err = os.MkdirAll(etc, 0o755)
	}

	if err == nil {
		err = os.WriteFile(filepath.Join(etc, "resolv.conf"),
			[]byte("nameserver "+lab.NameServer+"\n"), 0o644)
	}

	if err != nil {
		s.t.Fatal(err)
	}

	s.t.Cleanup(func() {
		os.RemoveAll(etc)
		os.Remove("/etc/netns") // when it is empty
	})

	const enter = `echo mail.nomeazienda.it >/proc/sys/kernel/hostname && mount -t tmpfs none /usr/sbin && exec "$@"`
	s.enter = []string{"unshare", "--uts", "sh", "-c", enter, "sh"}
}

// TestLabFirstMinutes is what a newcomer does on a host with nothing but the binary: five
// commands, no question, and mail arrives.
func TestLabFirstMinutes(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.fresh()
	commands := 0
	mailpub := func(args ...string) string {
		commands++
		return s.mailpub(exitOK, args...)
	}

	has(t, mailpub("init", "--yes"), "mail.nomeazienda.it; its address is 10.10.10.10",
		"it speaks upnp", "2.2.2.2, public",
		"zone nomeazienda.it is at ns.nomeazienda.it", "nothing answers SMTP",
		"Wrote mailpub.yaml")

	has(t, mailpub("plan"), "Plan: 14 to add.", "public address 2.2.2.2 (the router's)")
	s.background("lan", append(s.enter, s.bin, "receive")...)
	commands++
	s.eventually("the receiver answers", func() bool {
		_, _, code := s.on("lan", "socat", "-u", "OPEN:/dev/null", "TCP:10.10.10.10:25")
		return code == 0
	})

	has(t, mailpub("apply", "--yes"), "Done: 14 changes.")
	has(t, mailpub("verify"), ", 0 failed,")
	s.send("nonce-first-minutes", "postmaster@nomeazienda.it")

	if commands != 5 {
		t.Errorf("it took %d commands, want 5", commands)
	}

	s.mailpub(exitOK, "destroy", "--yes")
}

// setUpByHand sets up what a site has without mailpub, but for its forwards.
func (s *siteInLab) setUpByHand() {
	t := s.t
	t.Helper()
	// The server is the bundled one; how it was set up is forgotten.
	config := "site: nomeazienda\nserver: {hostname: mail.nomeazienda.it, address: 10.10.10.10, public: {ipv4: 2.2.2.2}}\n" +
		"domains: [{name: nomeazienda.it}]\nzones: [{name: nomeazienda.it, provider: manual}]\nrouter: {protocol: manual}\n"

	if err := os.WriteFile(filepath.Join(s.dir, "server.yaml"), []byte(config),
		0o600); err != nil {
		t.Fatal(err)
	}

	s.background("lan", s.bin, "-c", "server.yaml", "receive")
	s.eventually("the receiver answers", func() bool {
		_, _, code := s.on("lan", "socat", "-u", "OPEN:/dev/null", "TCP:10.10.10.10:25")
		return code == 0
	})

	s.mailpub(exitOK, "-c", "server.yaml", "apply", "--yes")
	if err := os.Remove(filepath.Join(s.dir, ".mailpub/nomeazienda.ledger.json")); err != nil {
		t.Fatal(err)
	}

	s.lab.Update(t, "update add mail.nomeazienda.it. 300 A 2.2.2.2",
		"update add nomeazienda.it. 300 MX 10 mail.nomeazienda.it.",
		`update add nomeazienda.it. 300 TXT "v=spf1 mx ip4:2.2.2.2 include:_spf.example.net ~all"`,
		`update add mail.nomeazienda.it. 300 TXT "v=spf1 a -all"`,
		`update add _dmarc.nomeazienda.it. 300 TXT "v=DMARC1; p=none"`)

	s.lab.Update(t, "zone 2.2.2.in-addr.arpa",
		"update add 2.2.2.2.in-addr.arpa. 3600 PTR mail.nomeazienda.it.")
}

// TestLabImport sets a site up as people do without mailpub, with nsupdate and upnpc: the config
// that import makes of it has an empty plan.
func TestLabImport(t *testing.T) {
	s := newSiteInLab(t, lab.Options{})
	s.fresh()
	s.setUpByHand()

	for _, port := range []string{"25", "143"} {
		s.must("lan", "upnpc", "-u", "http://10.10.10.1:5000/rootDesc.xml", "-e", "by hand",
			"-a", lab.Server, port, port, "tcp")
	}

	s.strangersForward()
	before := s.state()

	out := s.mailpub(exitOK, "import", "nomeazienda.it")
	has(t, out, "it forwards these mail ports: tcp/25 to 10.10.10.10:25, tcp/143 to 10.10.10.10:143",
		"No changes: ")

	has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "No changes: ")
	has(t, s.mailpub(exitOK, "import", "nomeazienda.it", "--adopt", "--force"),
		"added to the ledger.")

	s.unchanged(before)
	text, err := os.ReadFile(filepath.Join(s.dir, "mailpub.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	has(t, string(text), "policy: none", "include: [_spf.example.net]",
		"{name: imap, port: 143}")

	if strings.Contains(string(text), "8080") {
		t.Errorf("a stranger's forward is in the config:\n%s", text)
	}
}

// TestLabImportUnseen is the same behind a router that lists nothing: import says which forwards it could not
// see, and --adopt has the router confirm those that another program made. One that leads to another
// machine is refused, stays as it is, and is for a person.
func TestLabImportUnseen(t *testing.T) {
	for _, protocol := range []string{"pcp", "nat-pmp"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s := newSiteInLab(t, lab.Options{NoUPnP: true})
			s.fresh()
			s.setUpByHand()
			s.must("lan", "natpmpc", "-g", lab.Router, "-a", "25", "25", "tcp", "3600")
			before := s.state()
			has(t, before, "25 -> 10.10.10.10:25")

			command := []string{"import", "nomeazienda.it", "--protocol", protocol, "--force"}
			out, errs, code := s.on(s.host, slices.Concat(s.enter, []string{s.bin}, command)...)
			if code != exitOK {
				t.Fatalf("exit code %d\n%s%s", code, out, errs)
			}

			has(t, out, "its forwards are unknown: "+protocol+" has no list request",
				"+ tcp/25", "Plan: 1 to add, ")

			plainly := strings.Join(strings.Fields(errs), " ")
			has(t, plainly, "Not seen: tcp/25. The router speaks "+protocol+
				", which can't list what it forwards",
				"import --adopt, requests each forward from the router",
				"router.protocol: manual")

			if after := s.state(); after != before {
				t.Errorf("import wrote:\n%s\nbefore:\n%s", after, before)
			}

			has(t, s.mailpub(exitOK, append(command, "--adopt")...), "1/1 ok  + tcp/25")
			if after := s.state(); after != before {
				t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after,
					before)
			}

			has(t, s.mailpub(exitOK, "plan", "--detailed-exitcode"), "No changes: ")
			s.mailpub(exitOK, "destroy", "--yes")
			if after := s.state(); after != before {
				t.Errorf("destroy took away what was there:\n%s\nbefore:\n%s", after, before)
			}

			// The neighbour has the port.
			s.lab.Reboot(t)
			s.must("lan2", "natpmpc", "-g", lab.Router, "-a", "25", "25", "tcp", "3600")
			before = s.state()
			has(t, before, "25 -> 10.10.10.20:25")
			out, errs, code = s.on(s.host, slices.Concat(s.enter, []string{s.bin}, command,
				[]string{"--adopt"})...)

			if code != exitFailed {
				t.Fatalf("exit code %d\n%s%s", code, out, errs)
			}

			has(t, errs, "tcp/25", "the router does not confirm it: check its target")
			if after := s.state(); after != before {
				t.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", after,
					before)
			}
		})
	}
}

package lab

import (
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestTwoAtOnce makes two labs side by side: what is done in one is not seen in the
// other, and what is down has left nothing.
func TestTwoAtOnce(t *testing.T) {
	var names []string
	t.Run("up", func(t *testing.T) {
		one := Up(t, Options{})
		two := Up(t, Options{IGD: 1, DoubleNAT: "100.64.0", SecondRouter: true})
		names = []string{one.Name, two.Name}

		for _, l := range []*Lab{one, two} {
			for _, host := range []string{"lan", "lan2", "router", "inet"} {
				if out, err := l.Exec(t, host, "dig", "+short", "+time=2", "@"+NameServer,
					"www.nomeazienda.it"); err != nil || out != "2.2.2.4\n" {
					t.Errorf("%s: %s can't ask the name server: %v: %s", l.Name, host, err, out)
				}

				if out, err := l.Exec(t, host, "dig", "+time=1", "+tries=1", "@8.8.8.8",
					"www.nomeazienda.it"); err == nil {
					t.Errorf("%s: %s reaches the Internet: %s", l.Name, host, out)
				}
			}
		}

		one.Update(t, "update add mail.nomeazienda.it 60 A 2.2.2.2")
		has := func(l *Lab) bool {
			return slices.Contains(l.Zone(t, "nomeazienda.it"),
				"mail.nomeazienda.it. 60 IN A 2.2.2.2")
		}

		if !has(one) || has(two) {
			t.Error("the record belongs into the first lab's zone only")
		}

		out, err := one.Exec(t, "lan", "dig", "+short", "@"+NameServer, "-x", "2.2.2.4")
		if err != nil || strings.TrimSpace(out) != "www.nomeazienda.it." {
			t.Errorf("PTR of 2.2.2.4 is %q, %v", out, err)
		}
	})

	links, err := exec.Command("ip", "-o", "link").CombinedOutput()
	if len(names) > 0 && err != nil {
		t.Fatal(err)
	}

	for _, n := range names {
		left, err := os.ReadDir("/run/netns")
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}

		for _, e := range left {
			if strings.HasPrefix(e.Name(), n+"-") {
				t.Errorf("namespace %s is left", e.Name())
			}
		}

		for _, dir := range []string{"/run/mailpub-lab/" + n,
			"/var/cache/bind/mailpub-lab-" + n} {
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s is left", dir)
			}
		}

		if strings.Contains(string(links), n) {
			t.Errorf("the machine has a link into %s:\n%s", n, links)
		}
	}
}

// TestRouter maps a port with a program of others and lets the outside in by it.
func TestRouter(t *testing.T) {
	l := Up(t, Options{})
	if _, err := exec.LookPath("upnpc"); err != nil {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("no upnpc here; apt-get install --no-install-recommends miniupnpc")
		}
		t.Skip("left out: no upnpc here; apt-get install --no-install-recommends miniupnpc")
	}

	if out, err := l.Exec(t, "lan", "upnpc", "-u", "http://"+Router+":5000/rootDesc.xml", "-a",
		Server, "25", "25", "tcp"); err != nil {
		t.Fatalf("upnpc: %v: %s", err, out)
	}

	want := netip.MustParseAddrPort(Server + ":25")
	if got := l.Mappings(t); len(got) != 1 || got["25"] != want {
		t.Errorf("the router forwards %v, want 25 to %v", got, want)
	}

	l.Reboot(t)
	if got := l.Mappings(t); len(got) != 0 {
		t.Errorf("after the reboot the router still forwards %v", got)
	}
}

func TestRefusals(t *testing.T) {
	l := Up(t, Options{NoDaemon: true})
	if out, err := l.run("up"); err == nil || !strings.Contains(err.Error(), "is up already") {
		t.Errorf("up twice: %q, %v", out, err)
	}

	bad := *l
	bad.env = append(slices.Clone(l.env), "LAB=../x")
	if out, err := bad.run("up"); err == nil || !strings.Contains(err.Error(), "bad name") {
		t.Errorf("a bad name: %q, %v", out, err)
	}
}

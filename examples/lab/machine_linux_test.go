package lab

import (
	"os"
	"strings"
	"testing"
)

// A machine is whole, is on its host's network alone, and leaves nothing.
func TestBoot(t *testing.T) {
	const file = "/etc/mailpub-lab-was-here"
	var name string
	t.Run("up", func(t *testing.T) {
		l := Up(t, Options{})
		name = l.Name + "-lan"
		m := Boot(t, l, "lan")

		if state := m.Run(t, "systemctl", "is-system-running", "--wait"); state != "running\n" {
			t.Errorf("it is %q\n%s", state, m.Run(t, "systemctl", "--failed", "--no-pager"))
		}

		m.Put(t, file, []byte("here\n"), 0o644)
		if text := m.Run(t, "cat", file); text != "here\n" {
			t.Errorf("the file says %q", text)
		}

		if addresses := m.Run(t, "ip", "-4", "-brief", "address", "show", "scope",
			"global"); strings.Count(addresses, "\n") != 1 ||
			!strings.Contains(addresses, Server+"/24") {
			t.Errorf("its addresses are %q", addresses)
		}

		if text := m.Run(t, "dig", "+short", "@"+NameServer,
			"www.nomeazienda.it"); text != "2.2.2.4\n" {
			t.Errorf("the name server says %q", text)
		}
	})

	if name == "" {
		t.Skip("left out, with what it looks at")
	}

	for _, path := range []string{file, "/sys/fs/cgroup/" + name,
		"/sys/fs/cgroup/systemd/" + name, "/sys/fs/cgroup/unified/" + name} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}

	if mounts, err := os.ReadFile("/proc/mounts"); err != nil ||
		strings.Contains(string(mounts), "/run/mailpub-lab/machine") {
		t.Errorf("its files are left, %v", err)
	}
}

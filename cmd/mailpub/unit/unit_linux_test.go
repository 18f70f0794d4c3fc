package unit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemdAnalyze runs it, and fails where it must be there and is not.
func systemdAnalyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("no systemd-analyze here; apt-get install --no-install-recommends systemd")
		}
		t.Skip("left out: no systemd-analyze here; apt-get install --no-install-recommends systemd")
	}

	out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
	return string(out), err
}

// write puts units into a directory of their own, with a program that is there.
func write(t *testing.T, o Options) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	if o.Program == "" {
		o.Program = filepath.Join(dir, "mailpub")
		if err := os.WriteFile(o.Program, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}

	watch, err := Watch(o)
	if err != nil {
		t.Fatal(err)
	}

	drift, err := Drift(o)
	if err != nil {
		t.Fatal(err)
	}

	o.Configs = o.Configs[:1]
	receive, err := Receive(o)
	if err != nil {
		t.Fatal(err)
	}

	for _, f := range append(drift, watch, receive) {
		if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(f.Text), 0o644); err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.Join(dir, f.Name))
	}

	return dir, names
}

// systemd itself says that the units are right, and hardened: 3.0 or better, of 10.
func TestUnits(t *testing.T) {
	for _, o := range []Options{
		{Name: "mailpub", Configs: []string{"/etc/mailpub/mailpub.yaml"}, Writable: []string{"/etc/mailpub/.mailpub"}},
		{Name: "mailpub", Configs: []string{"/etc/mailpub/sites"}, Writable: []string{"/etc/mailpub/sites"}, NetAdmin: true, MailServer: true},
		{Name: "mailpub", Configs: []string{"/home/mario/100% mail/$HOME \"x\".yaml"}, Writable: []string{"/home/mario/100% mail/.mailpub"}, User: "daemon"},
	} {
		_, names := write(t, o)
		if out, err := systemdAnalyze(t, append([]string{"verify", "--man=no"},
			names...)...); err != nil || strings.Contains(out, "mailpub") {
			t.Errorf("verify: %v\n%s", err, out)
		}

		for _, name := range names {
			if filepath.Ext(name) != ".service" {
				continue
			}

			out, err := systemdAnalyze(t, "security", "--offline=true", "--no-pager",
				"--threshold=30", name)

			if err != nil {
				t.Errorf("security: %v\n%s", err, out)
			}

			lines := strings.Split(strings.TrimSpace(out), "\n")
			t.Log(lines[len(lines)-1])
		}
	}
}

// That systemd sees a mistake at all.
func TestUnitsVerifyFails(t *testing.T) {
	_, names := write(t, Options{
		Name:    "mailpub",
		Program: "/no/such/program",
		Configs: []string{"/etc/mailpub/mailpub.yaml"},
	})

	if out, err := systemdAnalyze(t, append([]string{"verify", "--man=no"},
		names...)...); err == nil && !strings.Contains(out, "/no/such/program") {
		t.Errorf("a program that is not there passes:\n%s", out)
	}
}

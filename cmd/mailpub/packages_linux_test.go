package main

import (
	"bytes"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// onThisMachine runs a command on the machine itself, and expects it to succeed.
func onThisMachine(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestPackage makes the .deb twice, of the same bytes, and installs, upgrades, removes and purges
// it on this machine, which is only done where that was asked for.
func TestPackage(t *testing.T) {
	if os.Getenv("MAILPUB_LAB") != "require" {
		t.Skip("left out: it installs a package on this machine; MAILPUB_LAB=require does it")
	}
	if _, err := os.Stat("/usr/bin/mailpub"); err == nil || exec.Command("id", "mailpub").Run() == nil {
		t.Fatal("mailpub is installed here, or its user is there: not taken away for a test")
	}
	dir := t.TempDir()
	var debs [2]string
	for i, version := range []string{"1.0.0", "1.0.1"} {
		out := filepath.Join(dir, version)
		onThisMachine(t, []string{"OUT=" + out, "VERSION=" + version, "TARGETS=linux/amd64", "FORMATS=deb sbom", "GOFLAGS="}, "nice", ".ci/packages")
		debs[i] = filepath.Join(out, "mailpub_"+version+"_amd64.deb")
		if sums := onThisMachine(t, nil, "sh", "-c", `cd "$0" && sha256sum --check SHA256SUMS`, out); strings.Count(sums, ": OK") != 2 {
			t.Errorf("checksums of the package and its SBOM: %s", sums)
		}
	}
	if sbom, err := os.ReadFile(filepath.Join(dir, "1.0.0", "mailpub_1.0.0_linux_amd64.sbom.json")); err != nil || !bytes.Contains(sbom, []byte("pkg:golang/github.com/spf13/cobra@")) {
		t.Errorf("the SBOM does not name what is in it: %v", err)
	}
	if filesOf(t, debs[0]) != filesOf(t, debs[1]) {
		t.Error("two builds of one commit made different files")
	}
	t.Cleanup(func() { exec.Command("dpkg", "--purge", "mailpub").Run() })

	onThisMachine(t, nil, "dpkg", "-i", debs[0])
	has(t, onThisMachine(t, nil, "/usr/bin/mailpub", "version"), "mailpub ")
	has(t, onThisMachine(t, []string{"MANPAGER=cat", "COLUMNS=100"}, "man", "mailpub"), "makes a mail server behind a router")
	has(t, onThisMachine(t, []string{"MANPAGER=cat", "COLUMNS=120"}, "man", "5", "mailpub.yaml"), "names the ledger")
	has(t, onThisMachine(t, nil, "getent", "passwd", "mailpub"), "/usr/sbin/nologin")
	has(t, onThisMachine(t, nil, "stat", "-c", "%U %a", "/etc/mailpub", "/var/lib/mailpub"), "mailpub 750\nmailpub 750\n")
	has(t, onThisMachine(t, nil, "bash", "-c", ". /usr/share/bash-completion/completions/mailpub && complete -p mailpub"), "__start_mailpub")
	has(t, onThisMachine(t, nil, "/usr/bin/mailpub", "-c", "/etc/mailpub/mailpub.yaml", "init", "--yes", "--protocol", "manual", "--resolver", "127.0.0.1:1",
		"--public", "2.2.2.2", "--address", "127.0.0.1", "--service", "receiver", "--provider", "manual", "nomeazienda.it"), "Wrote /etc/mailpub/mailpub.yaml")
	has(t, onThisMachine(t, nil, "stat", "-c", "%U %a", "/etc/mailpub/mailpub.yaml"), "mailpub 600\n")
	has(t, onThisMachine(t, nil, "cat", "/etc/mailpub/mailpub.yaml"), "state: /var/lib/mailpub ", "maildir: /var/lib/mailpub/mail ")
	for _, unit := range glob(t, "/usr/lib/systemd/system/mailpub*.service") {
		if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || bytes.Contains(out, []byte("mailpub")) {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}

	// The binary needs nothing around it, as in a container image from scratch.
	scratch := t.TempDir()
	onThisMachine(t, nil, "cp", "/usr/bin/mailpub", scratch)
	has(t, onThisMachine(t, nil, "chroot", scratch, "/mailpub", "version"), "mailpub ")

	onThisMachine(t, nil, "dpkg", "-i", debs[1])
	has(t, onThisMachine(t, nil, "dpkg-query", "-W", "-f", "${Version} ${Status}", "mailpub"), "1.0.1 install ok installed")
	if _, err := os.Stat("/etc/mailpub/mailpub.yaml"); err != nil {
		t.Errorf("the upgrade took the config away: %v", err)
	}

	if err := os.MkdirAll("/var/lib/mailpub/mail/mario/new", 0o700); err != nil {
		t.Fatal(err)
	}
	const message = "/var/lib/mailpub/mail/mario/new/1.host"
	if err := os.WriteFile(message, []byte("Subject: kept\r\n\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	onThisMachine(t, nil, "dpkg", "--remove", "mailpub")
	if _, err := os.Stat("/etc/mailpub/mailpub.yaml"); err != nil {
		t.Errorf("removing took the config away: %v", err)
	}
	has(t, onThisMachine(t, nil, "dpkg", "--purge", "mailpub"), "there is mail in /var/lib/mailpub, which stays")
	if _, err := os.Stat(message); err != nil {
		t.Errorf("purging took mail away: %v", err)
	}
	if err := os.RemoveAll("/var/lib/mailpub"); err != nil {
		t.Fatal(err)
	}
	onThisMachine(t, nil, "dpkg", "-i", debs[1])
	onThisMachine(t, nil, "dpkg", "--purge", "mailpub")
	for _, path := range append(glob(t, "/usr/lib/systemd/system/mailpub*"), "/usr/bin/mailpub", "/etc/mailpub", "/var/lib/mailpub", "/usr/share/doc/mailpub", "/usr/share/mailpub") {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left after purging", path)
		}
	}
	if exec.Command("id", "mailpub").Run() == nil {
		t.Error("the user mailpub is left after purging")
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// filesOf is the digest of what a package unpacks.
func filesOf(t *testing.T, deb string) [32]byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "dpkg-deb", "--fsys-tarfile", deb).Output()
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(out)
}

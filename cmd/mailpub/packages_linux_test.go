package main

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
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

// cloned is a clone of the repository as it is now, what is not committed yet included.
func cloned(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mailpub")
	onThisMachine(t, nil, "git", "clone", "-q", "--shared", ".", dir)

	for name := range strings.SplitSeq(onThisMachine(t, nil, "git", "ls-files", "-z",
		"--modified", "--others", "--exclude-standard"), "\x00") {
		to := filepath.Join(dir, name)
		_, err := os.Lstat(filepath.Join("../..", name))
		switch {
		case name == "":
		case err != nil: // it was removed
			if err := os.Remove(to); err != nil {
				t.Fatal(err)
			}
		default:
			onThisMachine(t, nil, "mkdir", "-p", filepath.Dir(to))
			onThisMachine(t, nil, "cp", "-a", name, to)
		}
	}

	return dir
}

// packages are where those of two versions are.
type packages struct{ old, new string }

func (p packages) deb() (old, new string) {
	return filepath.Join(p.old, "mailpub_1.0.0_amd64.deb"), filepath.Join(p.new,
		"mailpub_1.0.1_amd64.deb")
}

func (p packages) rpm() (old, new string) {
	return filepath.Join(p.old, "mailpub-1.0.0-1.x86_64.rpm"), filepath.Join(p.new,
		"mailpub-1.0.1-1.x86_64.rpm")
}

func (p packages) image() string {
	return filepath.Join(p.old, "mailpub_1.0.0_linux_amd64.image.tar.gz")
}

// makePackages makes those of one version twice, in two clones, of the same bytes; and those of the next.
func makePackages(t *testing.T) packages {
	t.Helper()
	clones := [2]string{cloned(t), cloned(t)}
	out := t.TempDir()
	p := packages{filepath.Join(out, "one"), filepath.Join(out, "next")}
	build := func(clone, out, version, formats string) {
		t.Helper()
		onThisMachine(t, []string{"OUT=" + out, "VERSION=" + version, "TARGETS=linux/amd64",
			"FORMATS=" + formats, "GOFLAGS="}, "nice", clone+"/.ci/packages")
	}

	const all = "archive deb rpm image sbom"
	build(clones[0], p.old, "1.0.0", all)
	build(clones[1], filepath.Join(out, "two"), "1.0.0", all)
	build(clones[1], p.new, "1.0.1", "deb rpm")

	if sums := onThisMachine(t, nil, "sh", "-c", `cd "$0" && sha256sum --check SHA256SUMS`,
		p.old); strings.Count(sums, ": OK") != 5 {
		t.Errorf("checksums: %s", sums)
	}

	if out, err := exec.Command("diff", "-rq", p.old,
		filepath.Join(out, "two")).CombinedOutput(); err != nil {
		t.Errorf("two builds of one commit: %v\n%s", err, out)
	}

	if sbom, err := os.ReadFile(filepath.Join(p.old,
		"mailpub_1.0.0_linux_amd64.sbom.json")); err != nil ||
		!bytes.Contains(sbom, []byte("pkg:golang/github.com/spf13/cobra@")) {
		t.Errorf("the SBOM does not name what is in it: %v", err)
	} else if !bytes.Contains(sbom, []byte(`"licenses"`)) {
		t.Error("the SBOM names no licence")
	}

	deb, _ := p.deb()
	notices := onThisMachine(t, nil, "sh", "-c",
		`dpkg-deb --fsys-tarfile "$0" | tar -xO ./usr/share/doc/mailpub/THIRD-PARTY-NOTICES`,
		deb)

	has(t, notices, "==== github.com/spf13/cobra v", "Apache License",
		"==== github.com/miekg/dns v", "==== Go, https://go.dev",
		"Redistributions in binary form")

	return p
}

// TestPackage makes the packages, and installs, upgrades and removes them on a machine of the lab's.
func TestPackage(t *testing.T) {
	missing := cmp.Or(lab.MissingMachine(), lab.MissingMailServer())
	for _, command := range []string{"git", "rpm", "dpkg", "man", "swaks"} {
		if _, err := exec.LookPath(command); err != nil {
			missing = cmp.Or(missing, "no "+command+" here")
		}
	}

	switch {
	case missing != "" && os.Getenv("MAILPUB_LAB") == "require":
		t.Fatalf("packages can't be tried: %s", missing)
	case missing != "":
		t.Skipf("left out: packages can't be tried: %s", missing)
	}

	packageUnderSystemd(t, makePackages(t))
}

// unseen runs a command that sees no systemd, as in a container or in a chroot.
func (s *underSystemd) unseen(args ...string) string {
	s.Helper()
	return s.run(append([]string{"unshare", "--mount", "sh", "-c",
		`mount -t tmpfs none /run/systemd && exec "$@"`, "sh"}, args...)...)
}

// debAlone installs, upgrades, removes and purges the .deb where no systemd runs.
func (s *underSystemd) debAlone(old, next string) {
	s.unseen("dpkg", "-i", old)
	has(s, s.unseen("mailpub", "version"), "mailpub 1.0.0 ")
	has(s, s.sh("MANPAGER=cat COLUMNS=100 man mailpub"), "makes a mail server behind a router")
	has(s, s.sh("MANPAGER=cat COLUMNS=120 man 5 mailpub.yaml"), "names the ledger")
	has(s, s.run("getent", "passwd", "mailpub"), "/usr/sbin/nologin")
	has(s, s.run("stat", "-c", "%U %a", "/etc/mailpub", "/var/lib/mailpub"),
		"root 750\nmailpub 750\n")

	has(s, s.run("bash", "-c", ". /usr/share/bash-completion/completions/mailpub && complete -p mailpub"),
		"__start_mailpub")

	has(s, s.unseen("mailpub", "-c", "/etc/mailpub/mailpub.yaml", "init", "--yes",
		"--protocol", "manual", "--resolver", "127.0.0.1:1",
		"--public", "2.2.2.2", "--address", "127.0.0.1", "--service", "receiver", "--provider",
		"manual", "nomeazienda.it"), "Wrote /etc/mailpub/mailpub.yaml")

	has(s, s.run("stat", "-c", "%U %a", "/etc/mailpub/mailpub.yaml"), "root 640\n")
	has(s, s.run("cat", "/etc/mailpub/mailpub.yaml"), "state: /var/lib/mailpub ",
		"maildir: /var/lib/mailpub/mail ")

	if out := s.sh("systemd-analyze verify /usr/lib/systemd/system/mailpub*.service /usr/lib/systemd/system/mailpub*.timer"); strings.Contains(out,
		"mailpub") {
		s.Errorf("the units: %s", out)
	}

	s.unseen("dpkg", "-i", next)
	has(s, s.run("dpkg-query", "-W", "-f", "${Version} ${Status}", "mailpub"),
		"1.0.1 install ok installed")

	s.run("test", "-e", "/etc/mailpub/mailpub.yaml")
	s.sh("mkdir -p /var/lib/mailpub/mail/mario/new; echo Subject: kept >/var/lib/mailpub/mail/mario/new/1.host")
	s.unseen("dpkg", "--remove", "mailpub")
	s.run("test", "-e", "/etc/mailpub/mailpub.yaml")
	has(s, s.unseen("dpkg", "--purge", "mailpub"),
		"there is mail in /var/lib/mailpub, which stays")

	s.sh("test -e /var/lib/mailpub/mail/mario/new/1.host; rm -r /var/lib/mailpub")
	s.unseen("dpkg", "-i", next)
	s.unseen("dpkg", "--purge", "mailpub")
	s.nothingIsLeft()
	s.sh("! getent passwd mailpub; ! getent group mailpub; ! getent passwd mailpub-receive")
}

// image is what a container image from scratch is made of: the program, which needs nothing around it.
func (s *underSystemd) image(tar string) {
	s.sh("mkdir /srv/image; tar -C /srv/image -xpf " + tar)
	has(s, s.run("chroot", "--userspec=65532:65532", "/srv/image", "/mailpub", "version"),
		"mailpub 1.0.0 ")
	has(s, s.sh("cd /srv/image; stat -c '%n %u %a' * | sort"),
		"etc 0 755\nmailpub 0 755\nsite 65532 755\ntmp 0 1777\n")
}

// nothingIsLeft sees that no file of a package is.
func (s *underSystemd) nothingIsLeft() {
	s.Helper()
	if left := s.sh("find /usr /var/lib/mailpub /etc/systemd -name '*mailpub*' 2>/dev/null || true"); left != "" {
		s.Errorf("left: %s", left)
	}
}

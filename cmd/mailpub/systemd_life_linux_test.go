package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/mailpub/mailpub/examples/lab"
)

// byTheBook runs the receiver without a package, as docs/receiver.md says.
func (s *underSystemd) byTheBook() {
	page, err := os.ReadFile("../../docs/receiver.md")
	if err != nil {
		s.Fatal(err)
	}

	between := func(from, to string) (lines string) {
		_, text, _ := strings.Cut(string(page), from)
		text, _, found := strings.Cut(from+text, to)
		if !found {
			s.Fatalf("docs/receiver.md does not say what stands between %q and %q", from, to)
		}

		for line := range strings.Lines(text) {
			lines += strings.TrimPrefix(line, "    ")
		}

		return lines
	}

	s.sh("cp /srv/image/mailpub /usr/local/bin; mkdir /etc/mailpub")
	s.run("mailpub", "-c", "/etc/mailpub/mailpub.yaml", "init", "--yes", "--protocol",
		"manual", "--resolver", "127.0.0.1:1",
		"--public", "2.2.2.2", "--address", "10.10.10.10", "--service", "receiver",
		"--provider", "manual", "nomeazienda.it")

	s.sh("cd /etc/mailpub\n" + between("    adduser", "\n\n") + "\nchown mailpub mailpub.yaml")
	s.m.Put(s.T, "/etc/systemd/system/receiver.service",
		[]byte(between("    [Unit]", "Or once")), 0o644)

	s.sh("systemctl daemon-reload; systemctl start receiver")
	s.eventually("port 25", func() bool {
		return strings.Contains(s.run("ss", "-Hltn"), "10.10.10.10:25 ")
	})

	s.sh("systemctl stop receiver; rm /etc/systemd/system/receiver.service /usr/local/bin/mailpub; rm -r /etc/mailpub; userdel mailpub; systemctl daemon-reload")
}

// installs makes services of mailpub's own beside those of the package, and takes them away.
func (s *underSystemd) installs() {
	has(s, s.fails("mailpub", "service", "remove"),
		"/lib/systemd/system/mailpub.service, of a package", "systemctl disable --now mailpub")

	has(s, s.run("mailpub", "-c", "/etc/mailpub/mailpub.yaml", "service", "install", "--name",
		"office", "--user", "mailpub"), "office.service is installed and runs")

	has(s, s.run("mailpub", "service", "status", "--name", "office"),
		"office.service: active (running): 1 site: ")

	s.happens("office.service", "joined", 0) // the other one leads: it stands by
	s.eventually("standing by", func() bool {
		return strings.Contains(s.is("office.service", "StatusText"), "standby")
	})

	s.run("systemctl", "stop", "mailpub.service")
	s.eventually("taking over", func() bool {
		return s.is("office.service", "StatusText") == "1 site: 1 well"
	})

	s.run("mailpub", "-c", "/etc/mailpub/mailpub.yaml", "service", "install", "--name",
		"office", "--timer")

	has(s, s.run("mailpub", "service", "status", "--name", "office"),
		"office-drift.timer: active (waiting)")

	s.run("mailpub", "service", "remove", "--name", "office")
	has(s, s.fails("mailpub", "service", "status", "--name", "office"),
		"the service is not installed")

	if left := s.sh("find /etc/systemd/system -name 'office*'"); left != "" {
		s.Errorf("left: %s", left)
	}

	has(s, s.run("mailpub", "service", "status"),
		"mailpub.service: inactive (dead)\nmailpub-drift.timer: active (waiting)\n")

	s.run("systemctl", "stop", "mailpub-drift.timer")
	s.fails("mailpub", "service", "status")
	s.run("systemctl", "start", "mailpub-drift.timer")
	s.run("systemctl", "start", "mailpub.service")
}

// services are what a package brings and may run.
var services = []string{"mailpub.service", "mailpub-receive.service", "mailpub-drift.timer"}

// upgrades installs the next version: what ran runs on with that.
func (s *underSystemd) upgrades(deb string) {
	was := map[string]string{}
	for _, unit := range services[:2] {
		was[unit] = s.is(unit, "MainPID")
	}

	s.run("dpkg", "-i", deb)
	for _, unit := range services {
		if state := s.is(unit, "ActiveState") + " " +
			s.is(unit, "UnitFileState"); state != "active enabled" {
			s.Errorf("%s is %s", unit, state)
		}
		if pid, ok := was[unit]; ok && s.is(unit, "MainPID") == pid {
			s.Errorf("%s still runs the old version", unit)
		}
	}
}

// purges removes the package while all of it runs. Mail stays, and nothing else.
func (s *underSystemd) purges() {
	s.lab.Update(s.T, "update delete nomeazienda.it MX")
	s.fails("systemctl", "start", "mailpub-drift.service")
	s.run("dpkg", "--remove", "mailpub")
	s.nothingRuns()
	has(s, s.run("dpkg", "--purge", "mailpub"),
		"there is mail in /var/lib/mailpub, which stays")

	if left := s.sh("find /etc/mailpub /var/lib/mailpub -mindepth 1 -maxdepth 1 2>/dev/null || true"); left != "/var/lib/mailpub/mail\n" {
		s.Errorf("left: %s", left)
	}

	s.sh("rm -r /var/lib/mailpub; userdel mailpub-receive; userdel mailpub")
}

// nothingRuns sees that systemd has forgotten the units of a package that is gone.
func (s *underSystemd) nothingRuns() {
	s.Helper()
	if units := s.run("systemctl", "list-units", "--all", "--plain", "--no-legend",
		"mailpub*"); units != "" {
		s.Errorf("still there: %s", units)
	}

	if links := s.sh("find /etc/systemd/system -name 'mailpub*'"); links != "" {
		s.Errorf("left: %s", links)
	}
}

// debianPostfix is what debconf's "Internet Site" writes.
const debianPostfix = `cat /usr/share/postfix/main.cf.debian /usr/share/postfix/main.cf.tls >/etc/postfix/main.cf
postconf -e myhostname=vm 'mydestination=$myhostname, vm, localhost' alias_maps=hash:/etc/aliases alias_database=hash:/etc/aliases
touch -d '1 minute ago' /etc/postfix/main.cf # Postfix waits while the file is younger than a second
newaliases
systemctl daemon-reload
useradd --create-home mario
systemctl restart dovecot postfix`

// mends lets the watch put back what it had set in a real Postfix and Dovecot, in its sandbox.
func (s *underSystemd) mends(deb string) {
	s.run("dpkg", "-i", deb)
	s.run("mv", "/srv/"+filepath.Base(postfixGenerator), postfixGenerator)
	s.sh(debianPostfix)
	s.m.Put(s.T, "/etc/mailpub/environment", []byte("MAILPUB_TSIG_KEY="+s.lab.Key+"\n"), 0o600)
	out := s.run("mailpub", "-c", "/etc/mailpub/mailpub.yaml", "init", "nomeazienda.it",
		"--yes", "--postmaster", "mario", "--resolver", "2.2.2.3", "--force")

	has(s, out, "service install") // as root: the user mailpub may do nothing to Postfix
	config, err := os.ReadFile(s.m.Root + "/etc/mailpub/mailpub.yaml")
	if err != nil {
		s.Fatal(err)
	}

	s.m.Put(s.T, "/etc/mailpub/mailpub.yaml",
		append(config, "\nwatch:\n  repair: [router, service]\n"...), 0o600)

	s.mailpub("apply", "--yes", "--adopt")
	s.run("mailpub", "-c", "/etc/mailpub/mailpub.yaml", "service", "install")
	s.eventually("the first look", func() bool { // PAM may take weak passwords, which is broken
		status := s.is("mailpub.service", "StatusText")
		return strings.HasSuffix(status, " 1 well") || strings.HasSuffix(status, " 1 broken")
	})

	before := len(s.journal("mailpub.service", "MAILPUB_EVENT=repaired"))
	s.sh(`rm /etc/dovecot/conf.d/99-mailpub.conf
doveadm reload
postconf -X disable_vrfy_command
sed -i /abuse/d /etc/postfix/mailpub-virtual
postmap /etc/postfix/mailpub-virtual
systemctl reload postfix mailpub`)

	s.happens("mailpub.service", "repaired", before)
	back := s.sh(`test -e /etc/dovecot/conf.d/99-mailpub.conf
postmap -q abuse@nomeazienda.it /etc/postfix/mailpub-virtual
postconf disable_vrfy_command`)

	if back != "mario\ndisable_vrfy_command = yes\n" {
		s.Errorf("not all of it is back: %s", back)
	}

	s.run("mailpub", "service", "remove")
	s.sh("dpkg --purge mailpub; rm -rf /var/lib/mailpub; systemctl stop postfix dovecot; rm " +
		postfixGenerator)
}

// rpm is the same for the other kind of package, as far as Debian's rpm goes: it knows no dependencies.
func (s *underSystemd) rpm(old, next string) {
	rpm := func(args ...string) string {
		s.Helper()
		return s.run(append([]string{"rpm", "--force-debian", "--nodeps"}, args...)...)
	}

	rpm("--install", old)
	s.run("rpm", "--verify", "--nodeps", "mailpub")
	has(s, s.run("stat", "--format=%U %a", "/etc/mailpub", "/var/lib/mailpub"),
		"root 750\nmailpub 750\n")

	has(s, s.run("rpm", "--query", "--requires", "mailpub"), "shadow-utils")
	s.run("mailpub", "-c", "/etc/mailpub/mailpub.yaml", "init", "--yes", "--protocol",
		"manual", "--resolver", "127.0.0.1:1", "--public", lab.Public,
		"--address", "10.10.10.10", "--service", "receiver", "--provider", "manual",
		"nomeazienda.it")

	s.run("systemctl", "enable", "--now", "mailpub", "mailpub-receive")
	was := s.is("mailpub-receive.service", "MainPID")
	rpm("--upgrade", next)
	has(s, s.run("rpm", "--query", "mailpub"), "mailpub-1.0.1-1")

	if pid := s.is("mailpub-receive.service", "MainPID"); pid == was || pid == "0" {
		s.Errorf("%s became %s", was, pid)
	}

	s.run("rpm", "--erase", "mailpub")
	s.nothingRuns()
	s.sh("rm /etc/mailpub/mailpub.yaml; rm -r /var/lib/mailpub") // erasing leaves what an administrator wrote, and mail
	s.nothingIsLeft()
}

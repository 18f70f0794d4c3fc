package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
)

// underSystemd is a machine of the lab that a real systemd runs, at 10.10.10.10.
type underSystemd struct {
	*testing.T
	lab *lab.Lab
	m   *lab.Machine
}

func (s *underSystemd) run(args ...string) string {
	s.Helper()
	return s.m.Run(s.T, args...)
}

// sh runs a script that ends at its first error.
func (s *underSystemd) sh(script string) string {
	s.Helper()
	return s.m.Run(s.T, "sh", "-euc", script)
}

// mailpub runs it as root does who set the site's secret.
func (s *underSystemd) mailpub(args ...string) string {
	s.Helper()
	return s.run(append([]string{"env", "MAILPUB_TSIG_KEY=" + s.lab.Key, "mailpub", "-c",
		"/etc/mailpub/mailpub.yaml"}, args...)...)
}

// fails runs a command that must fail, and returns what it printed.
func (s *underSystemd) fails(args ...string) string {
	s.Helper()
	out, err := s.m.Command(s.Context(), args...).CombinedOutput()
	if err == nil {
		s.Errorf("%q succeeds:\n%s", args, out)
	}
	return string(out)
}

// copies puts a package onto the machine, and returns where.
func (s *underSystemd) copies(path string) string {
	s.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}

	to := "/srv/" + filepath.Base(path)
	s.m.Put(s.T, to, data, 0o644)
	return to
}

// is reads a property of a unit.
func (s *underSystemd) is(unit, property string) string {
	s.Helper()
	return strings.TrimSpace(s.run("systemctl", "show", "--property="+property, "--value",
		unit))
}

// journal returns the entries of a unit, each with its fields.
func (s *underSystemd) journal(unit string, matches ...string) (entries []map[string]any) {
	s.Helper()
	out, err := s.m.Command(s.Context(), append([]string{"journalctl", "--quiet",
		"--output=json", "--unit=" + unit}, matches...)...).Output()

	if err != nil {
		s.Fatal(err)
	}

	for line := range strings.Lines(string(out)) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.Fatalf("%v: %s", err, line)
		}
		entries = append(entries, e)
	}

	return entries
}

// eventually waits until something holds, for a minute at most.
func (s *underSystemd) eventually(what string, holds func() bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("not within a minute: %s\n%s", what,
				s.run("journalctl", "--no-pager", "--lines=40", "--output=short-precise"))
		}
	}
}

// happens waits for an event of a unit's watch that is not one of those that were there before.
func (s *underSystemd) happens(unit, event string, before int) {
	s.Helper()
	s.eventually(event, func() bool {
		return len(s.journal(unit, "MAILPUB_EVENT="+event)) > before
	})
}

// postfixGenerator makes the unit of each instance of Postfix (systemd.generator(7)).
const postfixGenerator = "/lib/systemd/system-generators/postfix-instance-generator"

// packageUnderSystemd does what the docs say, as an administrator types it.
func packageUnderSystemd(t *testing.T, p packages) {
	l := lab.Up(t, lab.Options{})
	s := &underSystemd{t, l, lab.Boot(t, l, "lan")}
	s.m.Put(t, "/etc/resolv.conf", []byte("nameserver 2.2.2.3\n"), 0o644)
	// These two would take longer than all the rest: man-db's index, and Postfix at each reload of systemd.
	s.run("rm", "-f", "/var/lib/man-db/auto-update")
	s.run("mv", postfixGenerator, "/srv/")
	s.sh("dpkg --purge mailpub 2>/dev/null; rm -rf /etc/mailpub /var/lib/mailpub") // where this machine has it
	oldDeb, nextDeb := p.deb()
	oldRPM, nextRPM := p.rpm()

	for _, path := range []*string{&oldDeb, &nextDeb, &oldRPM, &nextRPM} {
		*path = s.copies(*path)
	}

	for _, step := range []struct {
		name string
		does func(*underSystemd)
	}{
		{"image", func(s *underSystemd) { s.image(s.copies(p.image())) }},
		{"docs", (*underSystemd).byTheBook},
		{"alone", func(s *underSystemd) { s.debAlone(oldDeb, nextDeb) }},
		{"begin", func(s *underSystemd) { s.begin(oldDeb) }},
		{"receive", (*underSystemd).receives}, {"watch", (*underSystemd).watches},
		{"drift", (*underSystemd).drifts}, {"watchdog", (*underSystemd).hangs},
		{"service", (*underSystemd).installs},
		{"upgrade", func(s *underSystemd) { s.upgrades(nextDeb) }},
		{"purge", (*underSystemd).purges},
		{"postfix", func(s *underSystemd) { s.mends(nextDeb) }},
		{"rpm", func(s *underSystemd) { s.rpm(oldRPM, nextRPM) }},
	} {
		began := time.Now()
		if !t.Run(step.name, func(t *testing.T) { step.does(&underSystemd{t, l, s.m}) }) {
			t.Fatalf("the rest goes on from %s", step.name)
		}
		t.Logf("%s: %v", step.name, time.Since(began).Round(10*time.Millisecond))
	}
}

// begin installs the package and writes the config; what root makes is the user mailpub's.
func (s *underSystemd) begin(deb string) {
	s.run("dpkg", "-i", deb)
	s.m.Put(s.T, "/etc/mailpub/credentials/MAILPUB_TSIG_KEY", []byte(s.lab.Key+"\n"), 0o600)
	out := s.run("mailpub", "-c", "/etc/mailpub/mailpub.yaml", "init", "nomeazienda.it",
		"--yes", "--service", "receiver", "--postmaster", "mario", "--resolver", "2.2.2.3",
		"--provider", "rfc2136", "--set", "server=2.2.2.3", "--set", "key_name=mailpub.")

	has(s, out, "install -m 600 /dev/stdin /etc/mailpub/credentials/MAILPUB_TSIG_KEY",
		"mailpub --system plan", "systemctl enable --now mailpub-receive ",
		"systemctl enable --now mailpub ")

	has(s, s.run("cat", "/etc/mailpub/mailpub.yaml"), "user: mailpub-receive ",
		"state: /var/lib/mailpub ")
}

// receives starts the receiver: it has port 25 as the user mailpub-receive, and root's "apply" sets it up.
func (s *underSystemd) receives() {
	const unit = "mailpub-receive.service"
	s.run("systemctl", "enable", "--now", unit)
	s.eventually("port 25", func() bool {
		return strings.Contains(s.run("ss", "-Hltn"), "10.10.10.10:25 ")
	})

	s.mailpub("apply", "--yes")
	if out, err := s.lab.Exec(s.T, "inet", "swaks", "--server", lab.Public, "--from",
		"a@example.org", "--to", "postmaster@nomeazienda.it", "--silent", "2"); err != nil {
		s.Fatalf("from outside: %v\n%s", err, out)
	}

	if mail := s.sh("ls -l /var/lib/mailpub/mail/mario/new"); strings.Count(mail,
		" mailpub-receive mailpub ") != 1 {
		s.Errorf("the message: %s", mail)
	}

	status := s.run("cat", "/proc/"+s.is(unit, "MainPID")+"/status")
	has(s, status, "CapEff:\t0000000000000400\n") // CAP_NET_BIND_SERVICE is 10 (capabilities(7))
	if uid := strings.TrimSpace(s.run("id", "-u",
		"mailpub-receive")); !strings.Contains(status, "Uid:\t"+uid+"\t"+uid+"\t"+uid+"\t") {
		s.Errorf("it does not run as %s:\n%s", uid, status)
	}

	// By this it tells a power loss from being started again.
	s.run("nsenter", "--target", s.is(unit, "MainPID"), "--mount", "cat",
		"/proc/sys/kernel/random/boot_id")

	for name := range strings.Lines(s.run("find", "/var/lib/mailpub", "!", "-user", "mailpub",
		"!", "-user", "mailpub-receive")) {
		s.Errorf("root left %s", name)
	}

	s.twoAccounts()
	for name := range strings.Lines(s.run("find", "/etc/mailpub", "!", "-user", "root", "-o",
		"-perm", "/022")) {
		s.Errorf("somebody else than root may write %s", name)
	}

	has(s, s.run("mailpub", "--system", "plan"), "nomeazienda: mail.nomeazienda.it") // with the units' secrets
	s.sh("! runuser -u mailpub -- cat /etc/mailpub/credentials/MAILPUB_TSIG_KEY 2>/dev/null")
	s.sh("! runuser -u mailpub -- sh -c 'echo x >>/etc/mailpub/mailpub.yaml' 2>/dev/null")
	unseen := "nsenter --target " + s.is(unit, "MainPID") +
		" --mount -- setpriv --reuid mailpub-receive --regid mailpub-receive --groups mailpub "

	if out := s.sh(unseen + "ls -A /var/lib/mailpub | tr '\\n' ' '"); out != "acme log mail receiver " {
		s.Errorf("of the state the receiver sees %s", out)
	}

	for _, try := range []string{"touch /var/lib/mailpub/x",
		"touch /var/lib/mailpub/receiver/x", "touch /etc/mailpub/x",
		"touch /etc/mailpub/mailpub.yaml"} {
		s.sh("! " + unseen + try + " 2>/dev/null")
	}

	s.sh("! tr '\\0' '\\n' </proc/" + s.is(unit, "MainPID") + "/environ | grep -q TSIG")
	s.sh("! " + unseen + "cat /etc/mailpub/credentials/MAILPUB_TSIG_KEY 2>/dev/null")
	s.sh(unseen + "cat /etc/mailpub/mailpub.yaml >/dev/null")
	s.Logf("modes and owners:\n%s", s.run("find", "/etc/mailpub", "/var/lib/mailpub",
		"-printf", "%M %u:%g %p\n"))

	s.Logf("as mailpub-receive, who may read or write what:\n%s", s.attempts("mailpub-receive"))
	for _, unit := range []string{"mailpub.service", "mailpub-receive.service",
		"mailpub-drift.service"} {
		s.Logf("%s", s.sh("systemd-analyze security --no-pager "+unit+" | tail -n 1"))
	}
}

// attempts are what an account gets of each file of the config and the state, as a shell of its own: a line for each.
func (s *underSystemd) attempts(account string) string {
	s.Helper()
	return s.sh(`find /etc/mailpub /var/lib/mailpub | while read -r f; do
runuser -u ` + account + ` -- test -r "$f" && r=read || r=-
runuser -u ` + account + ` -- test -w "$f" && w=write || w=-
echo "$r $w $f"
done`)
}

// twoAccounts sees that the receiver's account can neither read nor write anything of the config or of the state,
// and that the watch can read the mailboxes, where it looks for its own message.
func (s *underSystemd) twoAccounts() {
	s.Helper()
	for line := range strings.Lines(s.attempts("mailpub-receive")) {
		if !strings.HasPrefix(line, "- - ") {
			s.Errorf("the receiver's account: %s", line)
		}
	}

	mail := "/var/lib/mailpub/mail/mario/new"
	s.sh("runuser -u mailpub -- sh -euc 'touch " + mail + "/x; rm " + mail + "/x; cat " +
		mail + "/* >/dev/null'")

	s.sh("! runuser -u mailpub -- sh -c 'ls /var/lib/mailpub/acme || ls /etc/mailpub/credentials' 2>/dev/null")
}

// watches starts the watch: systemd hears from it, and it mends what root set up.
func (s *underSystemd) watches() {
	const unit = "mailpub.service"
	s.run("systemctl", "enable", "--now", unit)
	if state := s.is(unit, "ActiveState") + " " +
		s.is(unit, "SubState"); state != "active running" {
		s.Fatalf("it is %s", state)
	}

	has(s, s.run("mailpub", "service", "status"), "mailpub.service: active (running): 1 site: ")
	s.eventually("the first look", func() bool {
		return s.is(unit, "StatusText") == "1 site: 1 well"
	})

	s.lab.Reboot(s.T)
	s.happens(unit, "repaired", 0)
	if len(s.lab.Mappings(s.T)) != 1 {
		s.Errorf("the router forwards %v", s.lab.Mappings(s.T))
	}

	repaired := s.journal(unit, "MAILPUB_EVENT=repaired", "MAILPUB_SITE=nomeazienda")[0]
	for field, want := range map[string]string{
		"MAILPUB_SUBJECT": "router.forward tcp/25", "SYSLOG_IDENTIFIER": "mailpub",
		"PRIORITY": "6", "_SYSTEMD_UNIT": unit, "_CAP_EFFECTIVE": "0",
	} {
		if repaired[field] != want {
			s.Errorf("%s is %v, want %s", field, repaired[field], want)
		}
	}

	s.run("systemctl", "reload", unit)
	s.happens(unit, "reloaded", 0)
	for _, e := range s.journal(unit) {
		if text, _ := json.Marshal(e); strings.Contains(string(text), s.lab.Key) {
			s.Errorf("the journal holds the secret: %s", text)
		}
	}
}

// drifts lets the timer's service look, when all is well and when not.
func (s *underSystemd) drifts() {
	s.run("systemctl", "enable", "--now", "mailpub-drift.timer")
	has(s, s.run("systemctl", "list-timers", "mailpub-drift.timer"), "mailpub-drift.service")
	s.run("systemctl", "start", "mailpub-drift.service")
	s.lab.Update(s.T, "update delete nomeazienda.it MX")
	s.fails("systemctl", "start", "mailpub-drift.service")
	has(s, s.run("systemctl", "--failed", "--plain"), "mailpub-drift.service")
	has(s, s.run("journalctl", "--unit=mailpub-drift.service", "--output=cat"),
		"dns nomeazienda.it. MX")

	s.mailpub("apply", "--yes")
	s.run("systemctl", "start", "mailpub-drift.service")
}

// hangs stops the watch: systemd takes it for dead, and starts it again.
func (s *underSystemd) hangs() {
	const unit = "mailpub.service"
	s.sh("mkdir -p /run/systemd/system/" + unit +
		".d; printf '[Service]\nWatchdogSec=1\nTimeoutAbortSec=1\nRestartSec=0\n' >/run/systemd/system/" +
		unit + ".d/soon.conf")

	s.sh("systemctl daemon-reload; systemctl restart " + unit)
	pid := s.is(unit, "MainPID")
	time.Sleep(1500 * time.Millisecond) // it gives signs of life for longer than systemd waits for one

	if now := s.is(unit, "MainPID"); now != pid || s.is(unit, "NRestarts") != "0" {
		s.Fatalf("%s became %s while it was well", pid, now)
	}

	s.run("kill", "-STOP", pid)
	s.eventually("another process", func() bool {
		return s.is(unit, "MainPID") != pid && s.is(unit, "SubState") == "running" &&
			s.is(unit, "NRestarts") == "1"
	})

	has(s, s.run("journalctl", "--unit="+unit, "--output=cat", "_PID=1"), "Watchdog timeout")
	s.sh("rm -r /run/systemd/system/" + unit +
		".d; systemctl daemon-reload; systemctl restart " + unit)
}

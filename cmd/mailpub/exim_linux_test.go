package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/plan"
)

// eximBinary is where .ci/setup unpacks Debian's Exim, which can't be installed beside Postfix.
const eximBinary = "/var/cache/mailpub-tests/exim4-daemon-light/usr/sbin/exim4"

// eximConfig is an Exim that takes mail for its own domain alone; DIR is its directory, RULES are rules that
// come first.
const eximConfig = `primary_hostname = mail.nomeazienda.it
domainlist local_domains = nomeazienda.it
spool_directory = DIR
log_file_path = DIR/log-%slog
host_lookup =
helo_lookup_domains =
dns_again_means_nonexist = *
rfc1413_query_timeout = 0s
acl_smtp_rcpt = acl_rcpt
begin acl
acl_rcpt:
RULES  accept local_parts = postmaster
         domains = mail.nomeazienda.it
  deny !verify = sender
  deny sender_domains = +local_domains
       !authenticated = *
       message = log in first
  accept domains = +local_domains
         verify = recipient
  deny message = relay not permitted
begin routers
known:
  driver = redirect
  domains = +local_domains
  data = ${if inlist{$local_part}{postmaster:abuse:mario}{:blackhole:}}
elsewhere:
  driver = accept
  domains = ! +local_domains
  transport = none
begin transports
none:
  driver = appendfile
  file = /dev/null
`

// verifyExim runs verify beside a real Exim whose rules for recipients begin so.
func verifyExim(t *testing.T, rules string) []plan.Check {
	s := newSiteInLab(t, lab.Options{NoDaemon: true})
	if _, err := os.Stat(eximBinary); err != nil {
		t.Fatalf("no Exim: run .ci/setup as root: %v", err)
	}

	dir, err := os.MkdirTemp("", "mpexim") // Exim's user must be able to enter it
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}

	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { os.RemoveAll(dir) })
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	// Exim does not start without its user, and the package that makes it is not installed.
	for path, line := range map[string]string{"passwd": "Debian-exim:x:998:998::/var/spool/exim4:/usr/sbin/nologin\n",
		"group": "Debian-exim:x:998:\n"} {
		text, err := os.ReadFile("/etc/" + path)
		if err != nil {
			t.Fatal(err)
		}
		write(at(path), string(text)+line)
	}

	write(at("exim.conf"), strings.NewReplacer("DIR", dir, "RULES", rules).Replace(eximConfig))
	write(at("exim4"), "#!/bin/sh\nexec unshare -m sh -c 'mount --bind "+at("passwd")+
		" /etc/passwd && mount --bind "+at("group")+
		" /etc/group && exec "+eximBinary+" -C "+at("exim.conf")+` "$@"' sh "$@"`+"\n")

	if err := os.Chmod(at("exim4"), 0o755); err != nil {
		t.Fatal(err)
	}

	s.env = append(s.env, "PATH="+dir+":"+os.Getenv("PATH"))
	s.background("lan", at("exim4"), "-bdf", "-oX", "10.10.10.10.25")
	s.eventually("Exim listens", func() bool {
		_, _, code := s.on("lan", "socat", "-u", "OPEN:/dev/null", "TCP:10.10.10.10:25")
		return code == 0
	})

	config, err := os.ReadFile(filepath.Join(s.dir, "mailpub.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	write(filepath.Join(s.dir, "mailpub.yaml"),
		edited(t, string(config), []string{"type: receiver => type: exim"}))

	return s.look(t, "lan", "mailpub.yaml", "relay.open", "relay.spoof", "relay.sender",
		"relay.recipient", "service.config", "smtp.refusing", "smtp.vrfy",
		"account.postmaster", "account.abuse")
}

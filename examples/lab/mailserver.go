package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// MailServer is Postfix and Dovecot as Debian installs them (debconf's "Internet Site"), in a
// directory of their own, so that many can run at once and none touches the machine's. The
// user mario has the password "correct horse" and a Maildir.
type MailServer struct {
	Root    string
	Postfix string // config_directory
	Dovecot string // dovecot.conf
	Maildir string // mail is in Maildir/mario/new

	Resolver string // address of the name server that it asks; "" for those of this machine
}

// MissingMailServer says what keeps one from being made here, or "".
func MissingMailServer() string {
	if os.Getuid() != 0 {
		return "needs Linux and root"
	}

	for _, file := range []struct{ path, pkg string }{
		{"/usr/sbin/postfix", "postfix"}, {"/usr/sbin/dovecot", "dovecot-core"},
		{"/usr/lib/dovecot/imap", "dovecot-imapd"},
		{"/usr/lib/dovecot/pop3", "dovecot-pop3d"},
		{"/etc/ssl/private/ssl-cert-snakeoil.key", "ssl-cert"},
	} {
		if _, err := os.Stat(file.path); err != nil {
			return fmt.Sprintf("no %s here; apt-get install --no-install-recommends %s",
				file.path, file.pkg)
		}
	}

	return ""
}

// InstallMailServer makes one, which does not run yet. Where that can't be, the test is skipped
// with what is missing, or fails if the environment has MAILPUB_LAB=require.
func InstallMailServer(t testing.TB) *MailServer {
	t.Helper()
	if missing := MissingMailServer(); missing != "" {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("no mail server can be made: %s", missing)
		}
		t.Skipf("left out, as no mail server can be made: %s", missing)
	}

	root, err := os.MkdirTemp("", "mpmail") // a short name: those of sockets end at 107 octets
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})

	m := &MailServer{
		Root:    root,
		Postfix: root + "/postfix",
		Dovecot: root + "/dovecot/dovecot.conf",
		Maildir: root + "/mail",
	}

	script := fmt.Sprintf(debianInstall, root)
	if out, err := exec.Command("sh", "-euc", script).CombinedOutput(); err != nil {
		t.Fatalf("mail server: %v: %s", err, out)
	}

	return m
}

// debianInstall does what the packages' own scripts do, with other directories.
const debianInstall = `
root=%s
chmod 755 $root
cd $root
mkdir postfix spool lib dovecot mail run
chown postfix lib
chown nobody mail
echo vm >mailname
cp /usr/share/postfix/main.cf.debian postfix/main.cf
cat /usr/share/postfix/main.cf.tls >>postfix/main.cf
cp /usr/share/postfix/master.cf.dist postfix/master.cf
cp /etc/postfix/dynamicmaps.cf postfix/
printf 'postmaster:    root\nroot: /dev/null\nmario: %%s/mail/mario/\n' $root >aliases
cat >>postfix/main.cf <<'CF'
myhostname = vm.localdomain
alias_maps = hash:ROOT/aliases
alias_database = hash:ROOT/aliases
myorigin = ROOT/mailname
mydestination = $myhostname, vm, localhost.localdomain, localhost
relayhost = 
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = all
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
queue_directory = ROOT/spool
data_directory = ROOT/lib
maillog_file = ROOT/log
maillog_file_prefixes = ROOT
CF
sed -i "s#ROOT#$root#" postfix/main.cf
touch -d '1 minute ago' postfix/main.cf # Postfix waits while the file is younger than a second
postalias -c $root/postfix aliases
cp -r /usr/share/dovecot/dovecot.conf /usr/share/dovecot/conf.d dovecot/
# Debian links these two into /etc/dovecot/private, if ssl-cert was there before Dovecot.
sed -i 's#/etc/dovecot/private/dovecot.pem#/etc/ssl/certs/ssl-cert-snakeoil.pem#
s#/etc/dovecot/private/dovecot.key#/etc/ssl/private/ssl-cert-snakeoil.key#' dovecot/conf.d/10-ssl.conf
printf 'mario:{PLAIN}correct horse:65534:65534::%%s\n' $root >users
cat >dovecot/local.conf <<CF
base_dir = $root/run
state_dir = $root/run
log_path = $root/dovecot.log
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:$root/mail/%%u
passdb {
  driver = passwd-file
  args = $root/users
}
userdb {
  driver = passwd-file
  args = $root/users
}
CF
`

// Start runs Dovecot and Postfix on a host of a lab until the test ends.
func (m *MailServer) Start(t testing.TB, l *Lab, host string) {
	t.Helper()
	m.begin(t, l, host, []string{"dovecot", "-c", m.Dovecot},
		[]string{"doveadm", "-c", m.Dovecot, "stop"})
	m.StartPostfix(t, l, host)
}

// StartPostfix runs Postfix alone on a host of a lab until the test ends.
func (m *MailServer) StartPostfix(t testing.TB, l *Lab, host string) {
	t.Helper()
	m.begin(t, l, host, []string{"postfix", "-c", m.Postfix, "start"},
		[]string{"postfix", "-c", m.Postfix, "stop"})
}

func (m *MailServer) begin(t testing.TB, l *Lab, host string, start, stop []string) {
	t.Helper()
	t.Cleanup(func() { m.run(t, l, host, stop...) })
	if out, err := m.run(t, l, host, start...); err != nil {
		t.Fatalf("%q: %v: %s", start, err, out)
	}
}

// run runs a command whose daemons keep what they inherit open.
func (m *MailServer) run(t testing.TB, l *Lab, host string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	cmd := l.Command(ctx, host, m.Resolving(args...)...)
	var out strings.Builder
	cmd.Stdout = &out
	cmd.Stderr = &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if err == exec.ErrWaitDelay {
		err = nil
	}

	return out.String(), err
}

// Resolving is a command that asks the server's own name server: "ip netns exec" gives it mounts of its own.
func (m *MailServer) Resolving(args ...string) []string {
	if m.Resolver == "" {
		return args
	}
	const mount = `printf 'nameserver %s\noptions timeout:2 attempts:1\n' "$1" >"$2" && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"`
	return append([]string{"sh", "-c", mount, "sh", m.Resolver,
		filepath.Join(m.Root, "resolv.conf")}, args...)
}

// Files returns every file of both configurations, by its path below Root. Indexes of tables
// are left out: they are made of the others.
func (m *MailServer) Files(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, dir := range []string{m.Postfix, filepath.Dir(m.Dovecot)} {
		err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasSuffix(path, ".db") {
				return err
			}

			data, err := os.ReadFile(path)
			info, fault := e.Info()
			if err == nil {
				err = fault
			}

			if err == nil {
				all[strings.TrimPrefix(path, m.Root+"/")] = fmt.Sprintf("%v\n%s", info.Mode(),
					data)
			}

			return err
		})

		if err != nil {
			t.Fatal(err)
		}
	}

	return all
}

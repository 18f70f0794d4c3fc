package exim

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/command"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// binary is where .ci/setup unpacks Debian's Exim, which can't be installed beside Postfix.
const binary = "/var/cache/mailpub-tests/exim4-daemon-light/usr/sbin/exim4"

// configuration of an Exim that does what is wanted; "%s" is its directory.
const configuration = `primary_hostname = mail.nomeazienda.it
domainlist local_domains = nomeazienda.it
spool_directory = DIR
log_file_path = DIR/log-%slog
host_lookup =
acl_smtp_rcpt = acl_rcpt
begin acl
acl_rcpt:
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
`

// newExim returns a Driver of a real Exim with that configuration.
func newExim(t *testing.T, text string) Driver {
	t.Helper()
	if _, err := os.Stat(binary); err != nil || os.Getuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("no Exim: run .ci/setup as root: %v", err)
		}
		t.Skip("left out: needs root, and Debian's Exim, which .ci/setup unpacks")
	}

	dir, err := os.MkdirTemp("", "mpexim") // Exim's user must be able to enter it
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}

	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { os.RemoveAll(dir) })
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}

	read := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}

	// Exim does not start without its user, and the package that makes it is not installed.
	passwd := write("passwd", read("/etc/passwd")+
		"Debian-exim:x:998:998::/var/spool/exim4:/usr/sbin/nologin\n")

	group := write("group", read("/etc/group")+"Debian-exim:x:998:\n")
	conf := write("exim.conf", strings.ReplaceAll(text, "DIR", dir))
	script := write("run", "mount --bind "+passwd+" /etc/passwd\nmount --bind "+group+
		` /etc/group
ip link set lo up
exec `+binary+" -C "+conf+` "$@"
`)

	return Driver{
		Command: "unshare",
		Args:    []string{"-m", "-n", "sh", script},
		Domain:  "nomeazienda.it",
		Run:     command.Execute,
	}
}

func TestRealExim(t *testing.T) {
	names := []string{"hostname", "relaying", "senders", "recipients", "account root",
		"mailbox mario", "mailbox anna", "domain nomeazienda.it",
		"domain other.it", "recipient abuse@nomeazienda.it", "recipient sales@nomeazienda.it"}

	var keys []plan.Key
	for _, n := range names {
		keys = append(keys, plan.Key{Kind: mailsvc.Kind, Name: n})
	}

	for _, c := range []struct {
		name, from, to string
		want           []string // by name; "" is seen not to be so
	}{
		{"as wanted", "", "", []string{"mail.nomeazienda.it", mail.Refused, mail.Authenticated, mail.KnownOnly, mail.Unreachable, mail.Exists, "",
			mail.Served, "", mailsvc.Accepted, ""}},
		{"open", "acl_rcpt:\n", "acl_rcpt:\n  accept\n", []string{"mail.nomeazienda.it", "", "", "", "", mail.Exists, mail.Exists,
			mail.Served, mail.Served, mailsvc.Accepted, mailsvc.Accepted}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := configuration
			if c.from != "" {
				text = strings.Replace(text, c.from, c.to, 1)
			}

			shown, err := newExim(t, text).observe(t.Context(), keys)
			if err != nil {
				t.Fatal(err)
			}

			for i, n := range names {
				s, there := shown[n]
				if got := strings.Join(s.Lines, "|"); got != c.want[i] || s.Why != "" ||
					!there {
					t.Errorf("%s is %q (%v, %q), want %q", n, got, there, s.Why, c.want[i])
				}
			}
		})
	}

	t.Run("broken", func(t *testing.T) {
		_, err := newExim(t, configuration+"nonsense\n").observe(t.Context(), keys)
		if err == nil || !strings.Contains(err.Error(), "nonsense") {
			t.Errorf("%v", err)
		}
	})
}

func TestNoExim(t *testing.T) {
	d := Driver{
		Command: "no-such-exim",
		Run: func(ctx context.Context, _, name string, _ ...string) (string, error) {
			return command.Execute(ctx, "", name)
		},
	}

	if shown, err := d.observe(t.Context(), nil); err != nil || shown != nil {
		t.Errorf("%v, %v: without Exim here only SMTP tells", shown, err)
	}
}

// What an Exim does for a client outside is seen by its own command, and a relay is named.
func TestInspect(t *testing.T) {
	needs := []plan.Item{
		{Key: plan.Key{Kind: mailsvc.Kind, Name: "hostname"}, Lines: []string{"mail.nomeazienda.it"}},
		{Key: plan.Key{Kind: mailsvc.Kind, Name: "relaying"}, Lines: []string{mail.Refused}},
		{Key: plan.Key{Kind: mailsvc.Kind, Name: "recipients"}, Lines: []string{mail.KnownOnly}},
	}

	for _, c := range []struct {
		rules string
		good  bool
	}{
		{"acl_rcpt:\n", true},
		{"acl_rcpt:\n  accept domains = ! +local_domains\n", false},
		{"acl_rcpt:\n  accept condition = ${if eq{$sender_helo_name}{[192.0.2.1]}}\n", false},
	} {
		d := newExim(t, strings.Replace(configuration, "acl_rcpt:\n", c.rules, 1))
		settings, err := New("10.10.10.10:25", d).Inspect(t.Context(), needs)
		if err != nil || len(settings) != 2 {
			t.Fatalf("%+v, %v", settings, err)
		}

		if s := settings[0]; s.Need != mail.NeedRelaying || s.Good != c.good || !s.Outside ||
			s.Unknown {
			t.Errorf("%q: %+v", c.rules, s)
		}
	}
}

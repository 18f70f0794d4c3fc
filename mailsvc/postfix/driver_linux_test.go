package postfix

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/mailsvc/command"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/plantest"
)

// world is a default Debian install whose files are real, and so are the commands that read
// and index them. Its daemons are not: what would start or stop them is played.
type world struct {
	*lab.MailServer
	*Driver
	stopped bool  // Postfix
	fails   error // the next reload does
	mute    bool  // nothing answers by SMTP
	paused  bool  // nor does it until Postfix is started anew
	reloads int
}

func newWorld(t *testing.T) *world {
	m := lab.InstallMailServer(t)
	w := &world{MailServer: m}
	w.Driver = &Driver{
		Dir:     m.Postfix,
		Dovecot: m.Dovecot,
		PAM:     m.Root + "/common-password",
		Hosts:   m.Root + "/hosts",
		Addr:    "10.10.10.10:25",
		Run:     w.run,
		Dial:    w.dial,
		Now: func() time.Time {
			return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		},
	}

	w.dovecot(t, true)
	if err := os.WriteFile(w.Hosts, []byte(hostsText), 0o644); err != nil {
		t.Fatal(err)
	}

	if err := os.MkdirAll(m.Root+"/spool/private", 0o755); err != nil {
		t.Fatal(err)
	}

	return w
}

// dovecot lets Dovecot seem to run, or not.
func (w *world) dovecot(t *testing.T, runs bool) {
	t.Helper()
	pid := w.Root + "/run/master.pid"
	os.Remove(pid)

	if runs {
		if err := os.WriteFile(pid, fmt.Appendln(nil, os.Getpid()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// age makes main.cf an old file: Postfix's commands wait until one is more than a second old.
func (w *world) age() {
	old := time.Now().Add(-time.Minute)
	os.Chtimes(filepath.Join(w.Dir, "main.cf"), old, old)
}

func (w *world) run(ctx context.Context, input, name string, args ...string) (string, error) {
	w.age()
	line := name + " " + strings.Join(args, " ")
	switch {
	case name == "doveadm":
		path := w.Root + "/spool/" + socket
		os.Remove(path)
		if listens, err := w.listens(ctx, path); err != nil || !listens {
			return "", err
		}
		return "", os.WriteFile(path, nil, 0o600)
	case name != "postfix":
		return command.Execute(ctx, input, name, args...)
	case strings.HasSuffix(line, " status"):
		if w.stopped {
			return "", errors.New("the Postfix mail system is not running")
		}
	case strings.HasSuffix(line, " reload"), strings.HasSuffix(line, " start"):
		w.reloads++
		if strings.HasSuffix(line, " start") {
			w.paused = false
			w.stopped = false
		}

		err := w.fails
		w.fails = nil
		return "", err
	}

	return "", nil
}

// dial connects to a server that says its name and nothing else.
func (w *world) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if w.mute || w.paused || !strings.HasSuffix(address, ":25") {
		return nil, errors.New("connection refused")
	}

	name, err := w.run(ctx, "", "postconf", "-c", w.Dir, "-xh", "myhostname")
	if err != nil {
		return nil, err
	}

	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		fmt.Fprintf(theirs, "220 %s ESMTP\r\n", strings.TrimSpace(name))
		for in := bufio.NewScanner(theirs); in.Scan(); {
			fmt.Fprintf(theirs, "250 %s\r\n", strings.TrimSpace(name))
		}
	}()

	return ours, nil
}

func (w *world) file(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.Dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.Dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (w *world) command(t *testing.T, name string, args ...string) {
	t.Helper()
	w.age()
	if _, err := command.Execute(t.Context(), "", name, args...); err != nil {
		t.Fatal(err)
	}
}

// foreign changes a setting as an administrator does.
func (w *world) foreign(t *testing.T, k plan.Key, lines []string) {
	t.Helper()
	where, name, _ := strings.Cut(k.Name, " ")
	switch {
	case where == inTable:
		d := parseTable(w.file(t, "mailpub-virtual"))
		if d.remove(name); lines != nil {
			d.set(name, lines[0], name+" "+lines[0]+"\n")
		}
		w.write(t, "mailpub-virtual", d.String())
		w.command(t, "postmap", "-c", w.Dir, "hash:"+w.Dir+"/mailpub-virtual")
	case lines == nil:
		w.command(t, "postconf", "-c", w.Dir, "-X", name)
	default:
		w.command(t, "postconf", "-c", w.Dir, "-e", name+"="+lines[0])
	}
}

func key(name string) plan.Key { return plan.Key{Kind: "service", Name: name} }

func TestConforms(t *testing.T) {
	plantest.Run(t, func(t *testing.T) plantest.Harness {
		w := newWorld(t)
		return plantest.Harness{
			Driver: w.Driver,
			Items: []plan.Item{
				{Key: key("main.cf smtp_fallback_relay"), Lines: []string{"[smtp.example.net]:587"}},
				{Key: key("main.cf disable_vrfy_command"), Lines: []string{"yes"}},
				{Key: key("main.cf mydestination nomeazienda.it"), Lines: []string{mail.Served}},
				{Key: key("virtual abuse@nomeazienda.it"), Lines: []string{"mario"}},
				{Key: key("dovecot auth"), Lines: []string{socket}},
			},
			Other:   []string{"[smtp.example.org]:25"},
			Foreign: w.foreign,
			Strangers: func(t *testing.T) (lines []string) {
				for line := range strings.Lines(w.file(t, "main.cf")) {
					ours := false
					for _, name := range []string{"smtp_fallback_relay",
						"disable_vrfy_command", "mydestination"} {
						ours = ours || strings.HasPrefix(line, name)
					}

					if !ours {
						lines = append(lines, line)
					}
				}

				return append(lines, w.file(t, "master.cf"))
			},
		}
	})
}

// change makes one change of what is there.
func (w *world) change(t *testing.T, name string, after ...string) error {
	t.Helper()
	items, err := w.Read(t.Context(), []plan.Key{key(name)})
	if err != nil {
		t.Fatal(err)
	}

	c := plan.Change{Key: key(name), After: after, Release: after == nil}
	if len(items) > 0 {
		c.Before = items[0].Lines
	}

	return w.Apply(t.Context(), []plan.Change{c}, func(plan.Change, error) {})
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("%v, want %q in it", err, p)
		}
	}
}

// What can't be proved is put back, and said.
func TestRollsBack(t *testing.T) {
	w := newWorld(t)
	before := w.Files(t)
	unchanged := func(what string) {
		t.Helper()
		for name, text := range w.Files(t) {
			if before[name] != text {
				t.Errorf("%s: %s is now\n%s", what, name, text)
			}
		}
	}

	w.fails = errors.New("reload: no such process")
	wantError(t, w.change(t, "main.cf myhostname", "mail.nomeazienda.it"), "no such process",
		"everything was restored, and Postfix answers as before")

	unchanged("reload fails")
	wantError(t, w.change(t, "main.cf smtpd_banner", "mail.provider.example, nonsense=\n"),
		"want one line")

	unchanged("a value of two lines")

	w.stopped = true
	wantError(t, w.change(t, "main.cf disable_vrfy_command", "yes"), "not running",
		"systemctl start postfix")

	unchanged("Postfix is stopped")
	w.stopped = false
	w.dovecot(t, false)
	wantError(t, w.change(t, "dovecot auth", socket), "dovecot is not running")
	unchanged("Dovecot is stopped")
	w.dovecot(t, true)
	w.foreign(t, key("main.cf smtpd_sasl_type"), []string{"dovecot"})
	w.foreign(t, key("main.cf smtpd_sasl_path"), []string{socket})
	before = w.Files(t)
	wantError(t, w.change(t, "main.cf smtpd_sasl_auth_enable", "yes"),
		"would not answer at all", "private/auth: no such file", "install Dovecot")

	unchanged("there is no socket of Dovecot's")

	conf, err := os.ReadFile(w.Driver.Dovecot)
	if err != nil {
		t.Fatal(err)
	}

	alone := strings.ReplaceAll(string(conf), "!include conf.d/*.conf", "")
	if err := os.WriteFile(w.Driver.Dovecot, []byte(alone), 0o644); err != nil {
		t.Fatal(err)
	}

	before = w.Files(t)
	wantError(t, w.change(t, "dovecot auth", socket), "has no effect",
		"does not include conf.d/*.conf")

	unchanged("Dovecot does not read the file")
}

// A server that does not answer after a change is put back too; and when it then does not
// answer either, that is said, and the copies stay.
func TestRollbackThatFails(t *testing.T) {
	w := newWorld(t)
	before := w.file(t, "main.cf")
	w.mute = true
	w.Patience = 300 * time.Millisecond
	err := w.change(t, "main.cf disable_vrfy_command", "yes")
	wantError(t, err, "no mail server answers", "the rollback failed")

	if w.file(t, "main.cf") != before || w.file(t,
		"main.cf.before-mailpub-2026-11-24") != before {
		t.Error("main.cf or its copy is not as it was")
	}
}

// A server that pauses after smtpd has failed answers when it is started anew, which a reload does not do.
func TestPaused(t *testing.T) {
	w := newWorld(t)
	w.paused = true
	w.Patience = 2 * time.Second
	if err := w.change(t, "main.cf disable_vrfy_command", "yes"); err != nil || w.reloads != 2 {
		t.Errorf("%v, after %d reloads and starts", err, w.reloads)
	}
}

// What is not to be understood, or not mailpub's to decide, says so and is left.
func TestUnreadable(t *testing.T) {
	for _, c := range []struct {
		name, key, want string
		spoil           func(*testing.T, *world)
	}{
		{"master.cf overrides", "main.cf smtpd_sender_restrictions", "(-o smtpd_sender_restrictions=permit)", func(t *testing.T, w *world) {
			w.command(t, "postconf", "-c", w.Dir, "-P", "smtp/inet/smtpd_sender_restrictions=permit")
		}},
		{"postmap was forgotten", "virtual info@nomeazienda.it", "do not agree: run postmap", func(t *testing.T, w *world) {
			w.write(t, "mailpub-virtual", "info@nomeazienda.it anna\n")
		}},
		{"a table can't be asked", "virtual info@nomeazienda.it", "texthash:/no/such/file can't be asked", func(t *testing.T, w *world) {
			w.command(t, "postconf", "-c", w.Dir, "-e", "virtual_alias_maps=texthash:/no/such/file")
		}},
		{"Cyrus", "main.cf smtpd_sasl_path", "SASL of type cyrus", func(t *testing.T, w *world) {
			w.command(t, "postconf", "-c", w.Dir, "-e", "smtpd_sasl_auth_enable=yes")
		}},
		{"another server's", "hostname", "put in place for another service.type", func(*testing.T, *world) {}},
		{"passwords of one's own", "passwords", "not the system's", func(t *testing.T, w *world) {
			w.command(t, "sed", "-i", "s/^!include auth-system/#&/", w.Root+"/dovecot/conf.d/10-auth.conf")
		}},
		{"Dovecot broken", "dovecot auth", "doveconf", func(t *testing.T, w *world) {
			w.command(t, "sed", "-i", "$ a nonsense", w.Driver.Dovecot)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.spoil(t, w)
			items, err := w.Read(t.Context(), []plan.Key{key(c.key)})
			if err != nil || len(items) != 1 || !strings.Contains(items[0].Unreadable, c.want) {
				t.Errorf("%+v, %v, want %q", items, err, c.want)
			}
		})
	}

	w := newWorld(t)
	w.write(t, "main.cf", w.file(t, "main.cf")+"nonsense\n")
	_, err := w.Read(t.Context(), []plan.Key{key("main.cf myhostname")})
	wantError(t, err, "main.cf can't be understood",
		`missing '=' after attribute name: "nonsense"`)

	w.Driver.Run = func(ctx context.Context, _, name string, _ ...string) (string, error) {
		return command.Execute(ctx, "", "no-such-"+name)
	}

	_, err = w.Read(t.Context(), []plan.Key{key("main.cf myhostname")})
	wantError(t, err, "postfix is not installed here: no no-such-postconf",
		"apt-get install postfix")
}

// Mailboxes, passwords and domains as Postfix and PAM see them.
func TestReads(t *testing.T) {
	w := newWorld(t)
	read := func(name string) string {
		t.Helper()
		items, err := w.Read(t.Context(), []plan.Key{key(name)})
		if err != nil {
			t.Fatal(err)
		}

		if len(items) == 0 {
			return ""
		}

		return strings.Join(items[0].Lines, "|") + items[0].Unreadable
	}

	w.write(t, "domains", "c.it d.it\n")
	w.foreign(t, key("main.cf mydestination"), []string{"$myhostname, " + w.Dir + "/domains"})
	w.foreign(t, key("main.cf virtual_mailbox_domains"), []string{"v.it, inline:{w.it=x}"})
	w.foreign(t, key("main.cf virtual_mailbox_maps"), []string{"inline:{anna@v.it=anna}"})
	if err := os.WriteFile(w.PAM, []byte("password requisite pam_unix.so\n"),
		0o600); err != nil {
		t.Fatal(err)
	}

	for name, want := range map[string]string{
		"main.cf mydestination vm.localdomain": mail.Served,
		"main.cf mydestination d.it":           mail.Served,
		"main.cf mydestination v.it":           mail.Served,
		"main.cf mydestination w.it":           mail.Served,
		"main.cf mydestination no.it":          "",
		"mailbox mario":                        mail.Exists, "mailbox root": mail.Exists,
		"mailbox anna":      mail.Exists,
		"mailbox nosuch":    "",
		"main.cf relayhost": empty, "main.cf smtp_fallback_relay": "", "passwords": "",
		"dovecot auth": "",
	} {
		if got := read(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	if err := os.WriteFile(w.PAM, []byte("password requisite pam_pwquality.so retry=3\n"),
		0o600); err != nil {
		t.Fatal(err)
	}

	if got := read("passwords"); got != mail.StrongOnly {
		t.Errorf("passwords: %q", got)
	}
}

// The hosts file maps the mail host nowhere else, until all is as it was.
func TestHostsFile(t *testing.T) {
	w := newWorld(t)
	w.Public = []netip.Addr{netip.MustParseAddr("2.2.2.2")}
	if err := w.change(t, "hosts mail.nomeazienda.it", mail.NotElsewhere); err != nil {
		t.Fatal(err)
	}

	if data, _ := os.ReadFile(w.Hosts); strings.Contains(string(data),
		"127.0.1.1\tmail.nomeazienda.it") || w.reloads != 0 {
		t.Errorf("after %d reloads:\n%s", w.reloads, data)
	}

	if err := w.change(t, "hosts mail.nomeazienda.it", "127.0.1.1, 10.10.10.10"); err != nil {
		t.Fatal(err)
	}

	data, _ := os.ReadFile(w.Hosts)
	if copies, _ := filepath.Glob(w.Hosts + ".*"); string(data) != hostsText ||
		len(copies) != 0 {
		t.Errorf("copies %q of\n%s", copies, data)
	}
}

// A dated copy is made before the first write and goes when all is as it was. What others
// write meanwhile stays.
func TestCopies(t *testing.T) {
	w := newWorld(t)
	before := w.file(t, "main.cf")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	w.write(t, "main.cf", strings.NewReplacer("myhostname = ", "myhostname=",
		"mydestination = $myhostname, vm,", "mydestination = $myhostname,\n# why\n\tvm").Replace(before))

	before = w.file(t, "main.cf")
	must(w.change(t, "main.cf myhostname", "mail.nomeazienda.it"))
	must(w.change(t, "main.cf mydestination nomeazienda.it", mail.Served))
	w.Driver.Now = func() time.Time { return time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC) }
	must(w.change(t, "main.cf disable_vrfy_command", "yes"))

	if copies, _ := filepath.Glob(w.Dir + "/main.cf.before-*"); len(copies) != 1 ||
		w.file(t, filepath.Base(copies[0])) != before {
		t.Errorf("copies: %q", copies)
	}

	w.write(t, "main.cf", "# a remark\n"+w.file(t, "main.cf"))
	must(w.change(t, "main.cf disable_vrfy_command"))
	must(w.change(t, "main.cf mydestination nomeazienda.it"))
	must(w.change(t, "main.cf myhostname", "vm.localdomain"))

	if got := w.file(t, "main.cf"); got != "# a remark\n"+before {
		t.Errorf("main.cf is\n%s", got)
	}

	w.write(t, "main.cf", strings.TrimPrefix(w.file(t, "main.cf"), "# a remark\n"))
	must(w.change(t, "main.cf disable_vrfy_command", "yes"))
	must(w.change(t, "main.cf disable_vrfy_command"))

	if copies, _ := filepath.Glob(w.Dir + "/main.cf.before-*"); len(copies) != 0 ||
		w.file(t, "main.cf") != before {
		t.Errorf("copies left: %q", copies)
	}
}

// A run that was cut off between writing and loading is ended by the next one, whatever else it plans: the
// tables are indexed and the servers reloaded, and a server that it had stopped is started.
func TestUnfinished(t *testing.T) {
	for name, stopped := range map[string]bool{"before the reload": false,
		"between stop and start": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(t, ".mailpub-unfinished", "reload\n")
			w.write(t, "mailpub-virtual", tableHead+"info@nomeazienda.it\tmario\n")
			w.stopped = stopped
			party := plan.Party{Target: plan.Target{Kind: mail.TargetService}, Driver: w.Driver}
			ledger := plan.NewLedger("office")
			p, err := plan.Make(t.Context(), []plan.Party{party}, ledger, time.Now())
			if err != nil || p.Writes() != 1 || p.Changes[0].Key != unfinishedKey {
				t.Fatalf("plan %+v, %v", p, err)
			}

			if err := plan.Apply(t.Context(), p, []plan.Party{party}, ledger, noStore{},
				plan.Options{}); err != nil {
				t.Fatal(err)
			}

			if _, err := os.Stat(indexOf(w.ownTable())); err != nil || w.reloads == 0 ||
				w.stopped {
				t.Errorf("index: %v, %d reloads, stopped is %v", err, w.reloads, w.stopped)
			}

			again, err := plan.Make(t.Context(), []plan.Party{party}, ledger, time.Now())
			if err != nil || again.Differs() || ledger.Len() != 0 {
				t.Errorf("afterwards %+v, %v, ledger of %d", again, err, ledger.Len())
			}
		})
	}
}

// noStore is a plan.Store that keeps nothing.
type noStore struct{}

func (noStore) Save(*plan.Ledger) error { return nil }

// breaksOff is a connection whose server goes away once something is said to it.
type breaksOff struct{ net.Conn }

func (c breaksOff) Write([]byte) (int, error) {
	c.Close()
	return 0, io.ErrClosedPipe
}

// A server that greets and then breaks off can't be compared with itself after a change: nothing is written, and no
// copy stays behind.
func TestUncomparable(t *testing.T) {
	w := newWorld(t)
	before := w.Files(t)
	dial := w.Driver.Dial
	w.Driver.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return breaksOff{conn}, nil
	}

	wantError(t, w.change(t, "main.cf myhostname", "mail.nomeazienda.it"),
		"cannot observe the server's behaviour before the change, so nothing was written")

	if after := w.Files(t); !maps.Equal(after, before) {
		t.Errorf("files are %q, were %q", slices.Sorted(maps.Keys(after)),
			slices.Sorted(maps.Keys(before)))
	}

	w.Driver.Dial = dial
	if err := w.change(t, "main.cf myhostname", "mail.nomeazienda.it"); err != nil {
		t.Errorf("when it answers: %v", err)
	}
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

const userConfig = `site: nomeazienda
server: {hostname: mail.nomeazienda.it, address: 127.0.0.1, public: {ipv4: 2.2.2.2}}
domains: [{name: nomeazienda.it}]
zones: [{name: nomeazienda.it, provider: manual}]
router: {protocol: manual, forwards: [{name: smtp, port: 25}]}
service: {type: receiver, user: nobody, listen: "127.0.0.1:%d", journal: mail/journal.jsonl, sender_checks: false, aliases: [{address: postmaster, to: mario}]}
`

// asUser is a site whose receiver is started by root and goes on as nobody.
type asUser struct {
	t        *testing.T
	dir, bin string
	addr     string
	uid      uint32
}

func newAsUser(t *testing.T) *asUser {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatal("only root can become another user")
		}
		t.Skip("left out: only root can become another user")
	}

	dir, err := os.MkdirTemp("", "mpuser") // t.TempDir lets nobody in
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { os.RemoveAll(dir) })
	self, err := os.Executable()
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}

	if err == nil {
		err = os.Symlink(self, dir+"/mailpub")
	}

	if err != nil {
		t.Fatal(err)
	}

	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}

	uid, _ := strconv.Atoi(nobody.Uid)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer l.Close()

	u := &asUser{t, dir, dir + "/mailpub", l.Addr().String(), uint32(uid)}
	if err := os.WriteFile(dir+"/mailpub.yaml",
		fmt.Appendf(nil, userConfig, l.Addr().(*net.TCPAddr).Port), 0o600); err != nil {
		t.Fatal(err)
	}

	if err := os.Mkdir(dir+"/.mailpub", 0o700); err != nil {
		t.Fatal(err)
	}

	return u
}

// apply writes the settings as root does, into a directory of whoever.
func (u *asUser) apply(owner int) {
	u.t.Helper()
	if err := os.Chown(u.dir+"/.mailpub", owner, -1); err != nil {
		u.t.Fatal(err)
	}

	driver := &mailsvc.Receiver{Path: u.dir + "/.mailpub/nomeazienda.receiver.json"}
	err := driver.Apply(u.t.Context(), []plan.Change{
		{Key: plan.Key{Kind: mailsvc.Kind, Name: "domain nomeazienda.it"}, Action: plan.Create, After: []string{mail.Served}},
		{Key: plan.Key{Kind: mailsvc.Kind, Name: "alias postmaster"}, Action: plan.Create, After: []string{"mario"}},
	}, func(plan.Change, error) {})

	if err != nil {
		u.t.Fatal(err)
	}
}

// receive starts the receiver, and returns it once it serves, or what it said instead.
func (u *asUser) receive() (process *exec.Cmd, says string) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	u.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, u.bin, "-c", u.dir+"/mailpub.yaml", "receive")
	cmd.Env = append(os.Environ(), "GORACE="+quickExit)
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}

	if err != nil {
		u.t.Fatal(err)
	}

	for in := bufio.NewScanner(out); in.Scan(); {
		if says += in.Text() + "\n"; strings.HasPrefix(in.Text(), "receiving for") {
			u.t.Cleanup(func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() })
			return cmd, says
		}
	}

	cmd.Wait()
	return nil, says
}

// TestReceiveAsUser starts the receiver as root: it gives root up, in every thread, and everything
// it makes belongs to its user.
func TestReceiveAsUser(t *testing.T) {
	u := newAsUser(t)
	u.apply(int(u.uid))
	process, says := u.receive()

	if process == nil {
		t.Fatal(says)
	}

	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", process.Process.Pid))
	if err != nil || len(threads) == 0 {
		t.Fatal(threads, err)
	}

	id := fmt.Sprint(u.uid)
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}

		for _, line := range strings.Split(string(status), "\n") {
			field := strings.Fields(line)
			switch {
			case strings.HasPrefix(line, "Uid:") &&
				strings.Join(field[1:], " ") != strings.Join([]string{id, id, id, id}, " "),
				strings.HasPrefix(line, "Gid:") && field[1] == "0",
				strings.HasPrefix(line, "Groups:") && strings.Contains(line+" ", " 0 "),
				strings.HasPrefix(line, "CapEff:") && strings.Trim(field[1], "0") != "":
				t.Errorf("%s: %s", thread, line)
			}
		}
	}

	conn, err := net.Dial("tcp", u.addr)
	if err != nil {
		t.Fatal(err)
	}

	defer conn.Close()

	fmt.Fprint(conn, "EHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster@nomeazienda.it>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
	said := ""
	for in := bufio.NewScanner(conn); in.Scan(); {
		said += in.Text() + "\n"
	}

	if !strings.Contains(said, "250 2.0.0 OK") {
		t.Errorf("it said %s", said)
	}

	process.Process.Signal(syscall.SIGTERM)
	if err := process.Wait(); err != nil {
		t.Error(err)
	}

	files := 0
	err = filepath.WalkDir(u.dir+"/mail", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		info, err := e.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != u.uid {
			t.Errorf("%s belongs to %d", path, info.Sys().(*syscall.Stat_t).Uid)
		}

		if !e.IsDir() {
			files++
		}

		return err
	})

	if err != nil || files < 2 { // the message, the journal
		t.Errorf("%d files, %v", files, err)
	}
}

// TestReceiveAsUserWithout has something in root's hands that the user needs: the error says what
// to hand over.
func TestReceiveAsUserWithout(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*asUser)
		says    string
	}{
		"the settings": {func(u *asUser) { u.apply(0) }, "service.user: nobody cannot read DIR/.mailpub/nomeazienda.receiver.json: chown nobody"},
		"the mailboxes": {func(u *asUser) {
			u.apply(int(u.uid))
			os.MkdirAll(u.dir+"/mail/mario/new", 0o700)
		}, "service.user: nobody cannot write to DIR/mail (permission denied): chown -R nobody DIR/mail"},
		"one mailbox": {func(u *asUser) {
			u.apply(int(u.uid))
			os.MkdirAll(u.dir+"/mail/mario/new", 0o700)
			os.Chown(u.dir+"/mail", int(u.uid), -1)
		}, "service.user: nobody cannot write to DIR/mail/mario (permission denied): chown -R nobody DIR/mail/mario"},
		"a user": {func(u *asUser) {
			config, _ := os.ReadFile(u.dir + "/mailpub.yaml")
			os.WriteFile(u.dir+"/mailpub.yaml", []byte(strings.ReplaceAll(string(config), "user: nobody", "user: nosuchuser")), 0o600)
		}, `service.user: user "nosuchuser" does not exist (create it: adduser --system --group nosuchuser)`},
	} {
		t.Run(name, func(t *testing.T) {
			u := newAsUser(t)
			c.prepare(u)
			process, says := u.receive()
			if want := strings.ReplaceAll(c.says, "DIR", u.dir); process != nil ||
				!strings.Contains(says, want) {
				t.Errorf("said %q, want %q", says, want)
			}
		})
	}
}

// TestReceiveWithoutPort has nobody start it at port 25: the error names both ways to allow it.
func TestReceiveWithoutPort(t *testing.T) {
	u := newAsUser(t)
	config := fmt.Appendf(nil, userConfig, 25)
	err := os.WriteFile(u.dir+"/mailpub.yaml", config, 0o600)
	if err == nil {
		err = os.Chmod(u.dir+"/mailpub.yaml", 0o644)
	}

	if err != nil {
		t.Fatal(err)
	}

	self, err := os.ReadFile(u.bin) // where nobody may run it
	if err == nil {
		os.Remove(u.bin)
		err = os.WriteFile(u.bin, self, 0o755)
	}

	if err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(u.bin, "-c", u.dir+"/mailpub.yaml", "receive")
	cmd.Dir, cmd.Env = u.dir, append(os.Environ(), "GORACE="+quickExit)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{
			Uid: u.uid,
			Gid: u.uid,
		},
		Cloneflags: syscall.CLONE_NEWNET,
	} // there 25 is root's

	out, err := cmd.CombinedOutput()
	for _, want := range []string{"permission denied",
		"setcap cap_net_bind_service=+ep " + u.bin,
		"AmbientCapabilities=CAP_NET_BIND_SERVICE"} {
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, said %s, want %q", err, out, want)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/demo"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/mailsvc/mdaemon"
	"github.com/mailpub/mailpub/mailsvc/mdaemon/mdaemontest"
)

// mdaemonWalk is where the walk is kept as it was printed.
const mdaemonWalk = "../../docs/how-to/mdaemon-walk.md"

const mdaemonWalkHead = `# An office with MDaemon, from plan to destroy

The site of [examples/office](../../examples/office/mailpub.yaml), as mailpub printed it. A test runs this and
keeps this page: name server and router are the demo's, and the MDaemon is a stand-in made from what is known of
one (its files, semaphores, XML API and SMTP), as no MDaemon runs where the tests do. The keys that it learns are
therefore the stand-in's own.
`

// TestMDaemonWalk is the office from plan to destroy: as printed, in the docs.
func TestMDaemonWalk(t *testing.T) {
	s := mdaemontest.Start(t)
	s.Enter("hostname", "mail.nomeazienda.it")
	s.Tick("known-recipients", true)
	w := newMDaemonWorld(t, s)
	before := w.folder()
	page, err := filepath.Abs(mdaemonWalk)
	if err != nil {
		t.Fatal(err)
	}

	w.run(0, "mdaemon")
	w.run(0, "plan")
	w.run(0, "apply", "--yes", "--adopt")
	w.run(0, "plan", "--detailed-exitcode")
	w.run(0, "mdaemon", "learn", "relaying")
	w.configure("    dialect: mdaemon-26.yaml", "    url: ")
	s.Tick("relaying", false)
	w.page.WriteString("\nAn administrator unticks the box again.\n")
	w.run(0, "plan")
	w.run(0, "apply", "--yes", "--adopt")
	w.configure("  confirmed: [delivery, passwords, line ends, hosts]", "  settings:\n")
	w.run(0, "apply", "--yes")
	w.run(0, "verify", "--only", "account.postmaster,relay.open,mail.local")
	w.run(0, "destroy", "--yes")

	if after := w.folder(); after != before {
		t.Errorf("after destroy\n%s\nbefore\n%s", after, before)
	}

	generated(t, page, []byte(mdaemonWalkHead+w.page.String()))
}

// mdaemonWorld is the demo's Internet with a stand-in for MDaemon as the site's mail server.
type mdaemonWorld struct {
	t      *testing.T
	s      *mdaemontest.Server
	dir    string
	config string
	page   strings.Builder
	same   *strings.Replacer // what differs from run to run, as a reader of the docs would have it
}

func newMDaemonWorld(t *testing.T, s *mdaemontest.Server) *mdaemonWorld {
	internet, err := demo.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(internet.Close)
	t.Setenv(demo.KeyVariable, internet.Key)
	t.Setenv("MDAEMON_PASSWORD", mdaemontest.Password)

	_, port, err := net.SplitHostPort(s.SMTP)
	if err != nil {
		t.Fatal(err)
	}

	sum := sha256.Sum256(s.API.Certificate().Raw)
	text := strings.Replace(internet.Config(),
		fmt.Sprintf("internal: %d}", internet.Ports["smtp"]), "internal: "+port+"}", 1)

	text = strings.Replace(text, "  type: receiver\n", fmt.Sprintf(`  type: mdaemon
  settings:
    url: %s/MdMgmtWS/
    user: %s
    password: "env:MDAEMON_PASSWORD"
    fingerprint: %s
    app: %s
`, s.API.URL, mdaemontest.User, hex.EncodeToString(sum[:]), s.App), 1)

	dir := t.TempDir()
	w := &mdaemonWorld{
		t:      t,
		s:      s,
		dir:    dir,
		config: filepath.Join(dir, "mailpub.yaml"),
	}

	w.same = strings.NewReplacer(s.App, `C:\MDaemon\App`, s.Root, `C:\MDaemon`, dir+"/", "",
		s.SMTP, "10.10.10.10:25", "127.0.0.1:"+port, "10.10.10.10:25",
		s.API.URL, "https://127.0.0.1:444", internet.DNS.Addr(), "192.0.2.53:53",
		internet.Router.URL(), "http://10.10.10.1:1900")

	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	return w
}

// configure adds a line to the config, before another.
func (w *mdaemonWorld) configure(line, before string) {
	text, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}

	edited := strings.Replace(string(text), before, line+"\n"+before, 1)
	if err := os.WriteFile(w.config, []byte(edited), 0o600); err != nil {
		w.t.Fatal(err)
	}

	fmt.Fprintf(&w.page, "\nInto `mailpub.yaml`, under `service`: `%s`.\n",
		strings.TrimSpace(line))
}

// numbers are what differs from run to run within a text.
var numbers = map[*regexp.Regexp]string{
	regexp.MustCompile(`127\.0\.0\.1:\d{4,5}`):        "10.10.10.10:PORT",
	regexp.MustCompile(`MD50\d{9}`):                   "MD50000000001",
	regexp.MustCompile(`in \d+(\.\d+)? ?(ms|s)`):      "in 1 s",
	regexp.MustCompile(`/tmp/[^ ]*`):                  "mailpub.yaml",
	regexp.MustCompile(`(2.2.2.2 as )[^\n]*(router)`): "$1$2",
}

// run runs a command and writes it on the page.
func (w *mdaemonWorld) run(code int, args ...string) {
	w.t.Helper()
	var out bytes.Buffer
	a := newApp(strings.NewReader(""), &out, &out)
	a.learning = func(_ context.Context, o mdaemon.Instruction) error {
		fmt.Fprintf(&out, "%d of %d: %s\n", o.Step, o.Of, term.InstructionText(o))
		w.s.Tick(o.Setting.Name, o.Tick)
		return nil
	}

	w.t.Chdir(w.dir)
	if got := a.execute(w.t.Context(), append([]string{"-c", w.config}, args...)); got != code {
		w.t.Errorf("mailpub %s: exit code %d, want %d:\n%s", strings.Join(args, " "), got,
			code, out.String())
	}

	text := w.same.Replace(out.String())
	for form, plain := range numbers {
		text = form.ReplaceAllString(text, plain)
	}

	fmt.Fprintf(&w.page, "\n```\n> mailpub %s\n%s```\n", strings.Join(args, " "), text)
}

// folder is all that is in MDaemon's App folder.
func (w *mdaemonWorld) folder() string {
	files, err := os.ReadDir(w.s.App)
	if err != nil {
		w.t.Fatal(err)
	}

	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "%s: %q\n", f.Name(), w.s.File(f.Name()))
	}

	return saved.ReplaceAllString(b.String(), "Saved=0")
}

// saved is the count that the stand-in changes whenever a person saves.
var saved = regexp.MustCompile(`Saved=\d+`)

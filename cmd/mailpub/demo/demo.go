// Package demo tells the whole story of mailpub on one machine: a name server, a router and a few ports
// on loopback, and the commands that a user types against them.
//
// The other ends are embedded; the commands and drivers are the real ones, so that tests use the
// same Internet.
package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

// Exit codes that the story expects.
const (
	exitDone   = 0
	exitDiffer = 2
)

// Files of the story, in its directory.
const (
	configFile = "mailpub.yaml"
	keyFile    = "tsig.key"
)

// Command runs a command line of mailpub as main does, and returns its exit code. Both streams go to
// out, which looks like style.
type Command func(ctx context.Context, out io.Writer, style term.Style, args []string) int

// Run tells the story on u. It works in a directory of its own, and leaves the working directory and
// the environment of the process alone.
func Run(ctx context.Context, u *term.UI, mailpub Command) error {
	dir, err := os.MkdirTemp("", "mailpub-demo-")
	if err != nil {
		return err
	}

	defer os.RemoveAll(dir)

	style := term.Style{Colour: u.Colour}
	d := &demo{
		mailpub: mailpub,
		style:   style,
		out:     &lockedWriter{w: u.Out},
		dir:     dir,
	}

	return d.run(ctx)
}

// demo is a run of the whole story.
type demo struct {
	mailpub  Command
	style    term.Style
	out      io.Writer
	dir      string
	internet *Internet
	step     int
}

// lockedWriter lets the receiver and the story print to one stream.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// run tells the story. The commands are shown as a user types them in the directory of the config.
func (d *demo) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	if d.internet, err = Start(ctx); err != nil {
		return err
	}

	defer d.internet.Close()

	// The key is in a file beside the config: a variable would be one of the whole process.
	config := strings.ReplaceAll(d.internet.Config(), "env:"+KeyVariable, "file:"+keyFile)
	for name, text := range map[string]string{configFile: config,
		keyFile: d.internet.Key + "\n"} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}

	d.scene(config)
	stopReceiver := d.receive(ctx)
	for _, step := range d.story() {
		if err == nil {
			err = step(ctx)
		}
	}

	if e := stopReceiver(); err == nil {
		err = e
	}

	if err != nil {
		return fmt.Errorf("the demo stopped: %w", err)
	}

	return nil
}

func (d *demo) scene(config string) {
	d.say(`A mail server is behind a router. Three parties must agree before mail arrives:

  DNS      a name server on this machine, %s, with the zones nomeazienda.it and
           2.2.2.in-addr.arpa, and a verification record of another service
  router   a UPnP router on this machine, public address 2.2.2.2, nothing forwarded
           but port 8080, which belongs to another program
  server   mail.nomeazienda.it; here the receiver that comes with mailpub

One file describes the desired state:`, d.internet.DNS.Addr())

	d.command("cat " + configFile)
	fmt.Fprintln(d.out, indent(config))
}

// story is the steps in their order; each does one thing and sees that it worked.
func (d *demo) story() []func(context.Context) error {
	return []func(context.Context) error{
		d.tell("What is missing?", exitDiffer, "plan", "--detailed-exitcode"),
		d.tell("Apply it in a safe order: the service, the router, DNS, MX last.", exitDone,
			"apply", "--yes"),
		d.message,
		d.tell("Plan again: no changes.", exitDone, "plan", "--detailed-exitcode"),
		d.tell("Verify it, independently of how it was applied.", exitDone, "verify"),
		d.sabotage,
		d.tell("Check for drift, as a scheduler does; exit code 2 reports a difference.",
			exitDiffer, "drift"),
		d.tell("Repair.", exitDone, "apply", "--yes"),
		d.tell("Check again: no output, exit code 0.", exitDone, "drift"),
		d.message,
		d.tell("Remove everything again.", exitDone, "destroy", "--yes"),
		d.compare,
	}
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%s\n\n", fmt.Sprintf(format, args...))
}

func (d *demo) command(line string) {
	fmt.Fprintf(d.out, "%s\n", d.style.Bold("$ "+line))
}

// tell returns the step that runs one command of mailpub and expects its exit code.
func (d *demo) tell(why string, want int, args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		d.heading(why)
		d.command("mailpub " + strings.Join(args, " "))
		var buf bytes.Buffer
		got := d.do(ctx, io.MultiWriter(d.out, &buf), args...)

		if buf.Len() == 0 || want != exitDone {
			fmt.Fprintf(d.out, "%s\n", d.style.Dim(fmt.Sprintf("(exit code %d)", got)))
		}

		fmt.Fprintln(d.out)
		if got != want {
			return fmt.Errorf("mailpub %s ended with exit code %d, want %d", args[0], got, want)
		}

		return nil
	}
}

// do runs a command of mailpub on the config of the story.
func (d *demo) do(ctx context.Context, out io.Writer, args ...string) int {
	return d.mailpub(ctx, out, d.style, append([]string{"--config",
		filepath.Join(d.dir, configFile)}, args...))
}

func (d *demo) heading(text string) {
	d.step++
	fmt.Fprintf(d.out, "%s\n\n", d.style.Blue(fmt.Sprintf("%d. %s", d.step, text)))
}

// receive starts the receiver, as a user would in another terminal.
func (d *demo) receive(ctx context.Context) (stop func() error) {
	d.command("mailpub receive &")
	ctx, cancel := context.WithCancel(ctx)
	code := make(chan int, 1)
	go func() {
		code <- d.do(ctx, &prefixed{
			w:      d.out,
			prefix: d.style.Dim("[receive] "),
			dir:    d.dir + string(filepath.Separator),
		}, "receive")
	}()

	d.internet.WaitForReceiver(ctx)
	fmt.Fprintln(d.out)
	return func() error {
		cancel()
		if c := <-code; c != exitDone {
			return fmt.Errorf("mailpub receive ended with exit code %d", c)
		}
		return nil
	}
}

// prefixed puts a word before each line, and shows paths below a directory as a user there sees them.
type prefixed struct {
	w      io.Writer
	prefix string
	dir    string
}

func (p *prefixed) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		line = bytes.ReplaceAll(line, []byte(p.dir), nil)
		if _, err := fmt.Fprintf(p.w, "%s%s", p.prefix, line); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
}

// message sends mail the way the Internet does, and finds it in the Maildir.
func (d *demo) message(ctx context.Context) error {
	d.heading("A sender on the Internet writes to postmaster@nomeazienda.it.")
	nonce := fmt.Sprintf("demo-%d", time.Now().UnixNano())
	transcript, err := d.internet.Send(ctx, "postmaster@nomeazienda.it", nonce)
	fmt.Fprintln(d.out, indent(transcript))
	if err != nil {
		return err
	}

	found, err := FindMessage(filepath.Join(d.dir, "mail"), nonce)
	if err != nil {
		return err
	}
	if found, err = filepath.Rel(d.dir, found); err != nil {
		return err
	}

	d.say("The message is in %s.", found)
	return nil
}

// FindMessage returns the file under a Maildir root that contains text.
func FindMessage(root, text string) (string, error) {
	found := ""
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}

		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			found = path
		}

		return err
	})

	if err == nil && found == "" {
		err = fmt.Errorf("the message is not in %s", root)
	}

	return found, err
}

func (d *demo) sabotage(ctx context.Context) error {
	d.heading("Sabotage: the MX record is deleted, and the router forgets a forward.")
	return d.internet.sabotage(ctx)
}

// compare sees that zones and router are what they were at the start.
func (d *demo) compare(context.Context) error {
	if got, want := d.internet.State(), d.internet.before; got != want {
		return fmt.Errorf("zones and router differ from the start:\n%s\nbefore:\n%s", got, want)
	}
	d.heading("The zones and the router are as they were at the start:")
	fmt.Fprintln(d.out, indent(d.internet.before))
	d.say("That was the demo. On your own mail server: mailpub init, then mailpub plan.")
	return nil
}

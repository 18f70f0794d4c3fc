package main

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

	"github.com/spf13/cobra"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "see the whole story on this machine, without root, network or account",
		Long: `Starts a name server, a router and a few ports to be forwarded on loopback, and runs
mailpub against them: plan, apply, a message from outside, sabotage, drift, repair,
destroy. The commands are those you would type, the drivers those of every day; only
what is at the other end is embedded. Nothing leaves this machine and nothing is left.

Exit code: 0 when every step did what it should, else 1.`,
		Example: "  mailpub demo",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := os.MkdirTemp("", "mailpub-demo-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			d := &demo{app: a, out: &lockedWriter{w: a.out}, dir: dir}
			return d.run(cmd.Context())
		},
	}
}

// demo is a run of the whole story.
type demo struct {
	app     *app
	out     io.Writer
	dir     string
	outside *outside
	step    int
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

// run tells the story. It works in a directory of its own, so that the commands read as
// a user types them.
func (d *demo) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	home, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(d.dir); err != nil {
		return err
	}
	defer os.Chdir(home)
	if d.outside, err = startOutside(ctx); err != nil {
		return err
	}
	defer d.outside.close()
	if err := os.Setenv(demoKeyVariable, d.outside.key); err != nil {
		return err
	}
	defer os.Unsetenv(demoKeyVariable)
	if err := os.WriteFile("mailpub.yaml", []byte(d.outside.config()), 0o600); err != nil {
		return err
	}
	d.scene()
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
		return fmt.Errorf("the demo broke off: %w", err)
	}
	return nil
}

func (d *demo) scene() {
	d.say(`A mail server stands behind a router. Three parties must agree before mail arrives:

  DNS      a name server on this machine, %s, with the zones nomeazienda.it and
           2.2.2.in-addr.arpa, and a verification record of somebody else's in it
  router   a UPnP router on this machine, public address 2.2.2.2, nothing forwarded
           but port 8080, which is somebody else's
  server   mail.nomeazienda.it; here the receiver that comes with mailpub

One file says how it should be:`, d.outside.dns.Addr())
	d.command("cat mailpub.yaml")
	fmt.Fprintln(d.out, indent(d.outside.config()))
}

// story is the steps in their order; each does one thing and sees that it worked.
func (d *demo) story() []func(context.Context) error {
	return []func(context.Context) error{
		d.tell("What is missing?", exitDiffer, "plan", "--detailed-exitcode"),
		d.tell("Bring it about, in the safe order: the service, the router, DNS, MX last.", exitOK, "apply", "--yes"),
		d.message,
		d.tell("A second look: nothing to do, and nothing would be written.", exitOK, "plan", "--detailed-exitcode"),
		d.tell("Prove it, by other ways than it was written.", exitOK, "verify"),
		d.sabotage,
		d.tell("A scheduler asks; exit code 2 says that something moved.", exitDiffer, "drift"),
		d.tell("Repair.", exitOK, "apply", "--yes"),
		d.tell("And ask again: no output, exit code 0.", exitOK, "drift"),
		d.message,
		d.tell("Take it all away again.", exitOK, "destroy", "--yes"),
		d.compare,
	}
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%s\n\n", fmt.Sprintf(format, args...))
}

func (d *demo) command(line string) {
	fmt.Fprintf(d.out, "%s\n", d.app.look.bold("$ "+line))
}

// tell returns the step that runs one command of mailpub and expects its exit code.
func (d *demo) tell(why string, want int, args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		d.heading(why)
		d.command("mailpub " + strings.Join(args, " "))
		var buf bytes.Buffer
		got := d.mailpub(ctx, io.MultiWriter(d.out, &buf), args...)
		if buf.Len() == 0 || want != exitOK {
			fmt.Fprintf(d.out, "%s\n", d.app.look.dim(fmt.Sprintf("(exit code %d)", got)))
		}
		fmt.Fprintln(d.out)
		if got != want {
			return fmt.Errorf("mailpub %s ended with exit code %d, want %d", args[0], got, want)
		}
		return nil
	}
}

func (d *demo) heading(text string) {
	d.step++
	fmt.Fprintf(d.out, "%s\n\n", d.app.look.blue(fmt.Sprintf("%d. %s", d.step, text)))
}

// mailpub runs a command line as main does.
func (d *demo) mailpub(ctx context.Context, out io.Writer, args ...string) int {
	sub := &app{stdio: stdio{bytes.NewReader(nil), out, out}}
	if d.app.look.color {
		sub.dress = &look{color: true}
	}
	return sub.execute(ctx, args)
}

// receive starts the receiver, as a user would in another terminal.
func (d *demo) receive(ctx context.Context) (stop func() error) {
	d.command("mailpub receive &")
	ctx, cancel := context.WithCancel(ctx)
	code := make(chan int, 1)
	go func() { code <- d.mailpub(ctx, &prefixed{w: d.out, prefix: d.app.look.dim("[receive] ")}, "receive") }()
	d.outside.waitForReceiver(ctx)
	fmt.Fprintln(d.out)
	return func() error {
		cancel()
		if c := <-code; c != exitOK {
			return fmt.Errorf("mailpub receive ended with exit code %d", c)
		}
		return nil
	}
}

// prefixed puts a word before each line.
type prefixed struct {
	w      io.Writer
	prefix string
}

func (p *prefixed) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
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
	d.heading("Somebody out there writes to postmaster@nomeazienda.it.")
	nonce := fmt.Sprintf("demo-%d", time.Now().UnixNano())
	transcript, err := d.outside.send(ctx, "postmaster@nomeazienda.it", nonce)
	fmt.Fprintln(d.out, indent(transcript))
	if err != nil {
		return err
	}
	found, err := findMessage("mail", nonce)
	if err != nil {
		return err
	}
	d.say("The message is in %s.", found)
	return nil
}

// findMessage returns the file under a Maildir root that contains text.
func findMessage(root, text string) (string, error) {
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
	d.heading("Sabotage: somebody deletes the MX record, and the router forgets a forward.")
	return d.outside.sabotage(ctx)
}

// compare sees that the world is what it was before mailpub came.
func (d *demo) compare(context.Context) error {
	if got, want := d.outside.state(), d.outside.before; got != want {
		return fmt.Errorf("the world is not as it was:\n%s\nbefore:\n%s", got, want)
	}
	d.heading("The zones and the router are as they were at the start:")
	fmt.Fprintln(d.out, indent(d.outside.before))
	d.say("That was the demo. On your own mail server: mailpub init, then mailpub plan.")
	return nil
}

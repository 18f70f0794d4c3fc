package postfix

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/command"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan/durable"
)

// Driver sets up a Postfix and its Dovecot on this machine. It implements mailsvc.Server and
// mailsvc.Inspector. Writing needs root.
//
// A batch is done as a whole or not at all: it is written, checked with the servers' own
// commands, loaded, and proved by SMTP; when any of that fails every file is put back as it
// was and loaded again. Before the first write to a file a dated copy is put beside it; when
// the file is again as the copy has it, the copy goes.
type Driver struct {
	// Dir is Postfix's config_directory, Dovecot dovecot.conf, and PAM the file that says which
	// passwords may be chosen. Each is absolute; config says where Debian has them.
	Dir, Dovecot, PAM string

	Addr string // host:port of SMTP on the LAN

	// Hosts is this machine's hosts file, which must map the mail host to nothing but Public.
	Hosts  string
	Public []netip.Addr

	// Patience is how long a server may take to come up with what it was told; 0 is 20 s.
	Patience time.Duration

	Disk   durable.Disk     // where files are written; the zero value is this machine's
	Dial   smtpclient.Dial  // nil dials
	Run    command.Run      // nil executes
	Now    func() time.Time // nil is time.Now
	Logger *slog.Logger     // nil discards
}

// Kind implements plan.Driver.
func (d *Driver) Kind() string { return mailsvc.Kind }

func (d *Driver) main() string { return path.Join(d.Dir, "main.cf") }

// ownTable is the table that addresses are written into: nobody else's.
func (d *Driver) ownTable() string { return "hash:" + path.Join(d.Dir, "mailpub-virtual") }

// formerTable is where older versions of mailpub wrote addresses, beside those of others.
func (d *Driver) formerTable() string { return "hash:" + path.Join(d.Dir, "virtual") }

// dropIn is the one file that Dovecot is given.
func (d *Driver) dropIn() string {
	return path.Join(path.Dir(d.Dovecot), "conf.d", "99-mailpub.conf")
}

func (d *Driver) log() *slog.Logger {
	if d.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.Logger
}

func (d *Driver) now() time.Time {
	if d.Now == nil {
		return time.Now()
	}
	return d.Now()
}

func (d *Driver) run(ctx context.Context, name string, args ...string) (string, error) {
	return d.runWith(ctx, "", name, args...)
}

func (d *Driver) runWith(ctx context.Context, input, name string, args ...string) (string, error) {
	run := d.Run
	if run == nil {
		run = command.Execute
	}

	out, err := run(ctx, input, name, args...)
	if errors.Is(err, command.ErrMissing) {
		server, pkg := "postfix", "postfix"
		if strings.HasPrefix(name, "dove") {
			server, pkg = "dovecot", "dovecot-core"
		}
		err = fmt.Errorf("%s is %w (apt-get install %s), or service.type should be another",
			server, err, pkg)
	}

	return out, err
}

func (d *Driver) postconf(ctx context.Context, args ...string) (string, error) {
	return d.run(ctx, "postconf", append([]string{"-c", d.Dir}, args...)...)
}

package check

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
)

// Backup is a server of somebody else's, or of another place, that takes a domain's mail while
// the mail host does not.
type Backup struct{ Host, Domain string }

// Facts is what the checks compare the mail service with.
type Facts struct {
	Hostname string    // of the mail host, without a final dot
	Addr     string    // host:port of its SMTP on the LAN
	Domains  []string  // without final dots
	Services []Service // every forward of TCP

	// Maildir is where delivered messages can be looked for: Maildirs, or a mailbox of MDaemon; "" when mailpub can't read
	// the mailboxes.
	Maildir string
	// Closed says that the server trusts nobody for his address, as the bundled receiver
	// does, so that what it accepts from the LAN it accepts from everywhere.
	Closed bool
	// Inspect compares the server's own settings with what is needed, by another way than they
	// were written; nil where there is none.
	Inspect func(ctx context.Context) ([]mailsvc.Setting, error)
	// Aliases are full addresses that must be accepted.
	Aliases []string

	// Sends says that mail leaves through the server, too.
	Sends bool
	// Collectors are hosts that the server fetches mail from, and Own the addresses that are
	// this server itself, inside and outside. Lookup returns a host's addresses.
	Collectors []string
	Own        []netip.Addr
	Lookup     func(ctx context.Context, host string) ([]netip.Addr, error)

	// Egress are mail servers elsewhere that port 25 is tried at: host or host:port.
	Egress []string

	// Strict names what makes senders refuse a bad certificate ("MTA-STS"); "" is nothing.
	// Roots vouch for certificates; nil are the system's.
	Strict string
	Roots  *x509.CertPool

	Backups  []Backup // MX hosts beside the mail host
	Mailbox  *Mailbox // nil: none may be looked into
	Accounts bool     // weak passwords may be tried, which a server may count as an attack

	// Patience is how long a server is asked again that greylists: that defers what comes from a new
	// sender. 0 asks once.
	Patience time.Duration

	Dial smtpclient.Dial  // nil dials
	Now  func() time.Time // default time.Now

	pace *serverPace
}

// checkTimeout bounds one check beside the patience: a server may hold its greeting back for a minute, and
// each reply for some seconds.
const checkTimeout = 5 * time.Minute

// Service is what listens behind a forward.
type Service struct{ Name, Addr string }

func singleCheck(c plan.Check) []plan.Check { return []plan.Check{c} }

// unreachable is what a check says when there is no server to ask: port.inside fails for it.
func (f Facts) unreachable(c plan.Check, err error) plan.Check {
	c.Status = plan.Skip
	c.Got = fmt.Sprintf("no mail server answers at %s: %s", f.Addr, smtpclient.ErrorText(err))
	c.Hint = "start the mail server first; see port.inside"
	c.Reason = plan.ReasonSilent
	return c
}

// Mailbox is one that may be looked into: where the postmaster's mail goes.
type Mailbox struct {
	IMAP, POP3 string // host:port; "" is not tried. At 993 and 995 TLS comes first.
	User       string
	Password   func(ctx context.Context) (string, error)
}

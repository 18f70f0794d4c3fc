package site

import (
	"context"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/dialect"
	"github.com/mailpub/mailpub/mailsvc/mdaemon"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
)

// newMDaemon makes the driver of an MDaemon: over the XML API where the config says where that is, and by
// its files where it says where they are.
func newMDaemon(cfg *config.Config, spec mail.Spec, l *plan.Ledger) (*mdaemon.Driver, error) {
	d := mdaemon.New(smtpAddr(cfg, spec), firstDomain(spec))
	d.Client = mdaemonClient(cfg)
	d.Own = spec.Address
	setConfirmations(&d.Manual, cfg, l)

	if m := cfg.Verify.Mailbox; m.User != "" {
		d.Mailbox, _, _ = strings.Cut(m.User, "@")
		d.Password = cfg.MailboxPassword
	}

	s := cfg.Service.Settings
	docs := s["docs"]
	if s["app"] != "" {
		d.App = &mdaemon.App{Dir: cfg.Path(s["app"])}
		if docs == "" {
			docs = filepath.Join(filepath.Dir(d.App.Dir), "Docs")
		}
	}

	if docs != "" {
		help, err := mdaemon.ReadHelp(cfg.Path(docs))
		if err != nil {
			return nil, err
		}
		d.Help = help
	}

	if s["dialect"] != "" {
		learnt, err := dialect.Load(cfg.Path(s["dialect"]))
		if err != nil {
			return nil, err
		}
		d.Dialect = learnt
	}

	return d, nil
}

// mdaemonClient returns what asks MDaemon's XML API, nil where the config does not say where
// that is.
func mdaemonClient(cfg *config.Config) *mdaemon.Client {
	s := cfg.Service.Settings
	if s["url"] == "" {
		return nil
	}

	c := &mdaemon.Client{
		URL:         s["url"],
		User:        s["user"],
		Fingerprint: s["fingerprint"],
		Password: func(ctx context.Context) (string, error) {
			return cfg.ServiceSecret(ctx, "password")
		},
	}

	if s["ca_file"] != "" {
		c.CAFile = cfg.Path(s["ca_file"])
	}

	return c
}

// addServerLogHints adds what MDaemon noted in its log to the hints of checks that it refused.
func (s *Site) addServerLogHints(checks []plan.Check, since time.Time) {
	d, ok := s.server.(*mdaemon.Driver)
	if !ok || d.App == nil {
		return
	}

	for i, c := range checks {
		address := c.Subject.Name
		if c.Status == plan.Pass || !slices.Contains([]string{catalog.MailLocal,
			catalog.AccountPostmaster, catalog.AccountAbuse}, c.ID) ||
			!strings.Contains(address, "@") {
			continue
		}

		why, err := d.App.Refusal(address, s.ownClient, since)
		if err != nil {
			s.options.logger().Debug("cannot read MDaemon's log", "error", err)
		} else if why != "" {
			checks[i].Hint += "; MDaemon's log says: " + why
		}
	}
}

// ownClient reports whether an address with its port is this machine's, as the mail server sees it.
func (s *Site) ownClient(client string) bool {
	a, err := netip.ParseAddrPort(client)
	return err == nil && (a.Addr().IsLoopback() || a.Addr().Unmap() == s.spec.Address ||
		a.Addr().IsPrivate())
}

// MDaemon returns what can be told of the site's MDaemon; ok is false where the site has another server.
func (s *Site) MDaemon(ctx context.Context) (status mdaemon.Overview, ok bool) {
	d, ok := s.server.(*mdaemon.Driver)
	if !ok {
		return status, false
	}
	status = d.Overview(ctx)
	status.API = s.cfg.Secrets().Text(status.API)
	return status, true
}

// Package receive runs the bundled SMTP receiver as a service of a site: its ports, its user, its
// certificate, its message log and its metrics. It also starts the receiver for the time of a
// verification.
//
// It does not know SMTP, which is in mailsvc/receiver, and prints nothing.
package receive

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/mailsvc/sender"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/spf"
)

// Options say who hears of a receiver.
type Options struct {
	Version string // of mailpub, for its metrics

	Site    site.Options // for the zone that holds the certificate's challenges
	Logger  *slog.Logger // every step
	Notices *slog.Logger // what an administrator should know of the certificate

	Ready     func(addr net.Addr)        // it listens
	Delivered func(receiver.Message)     // a message was stored
	Notice    func(subject, text string) // something to know about the service; subject may be ""
}

// Run opens the ports, switches to service.user, and receives mail until ctx is done.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	listener, err := listen(ctx, cfg)
	if err != nil {
		return err
	}

	defer listener.Close()

	server := newServer(cfg, o.Logger)
	if err := showMetrics(ctx, cfg, server, o); err != nil {
		return err
	}
	if err := dropPrivileges(cfg); err != nil {
		return err
	}

	current, end, err := certificate(ctx, cfg, o)
	if err != nil {
		return err
	}

	defer end()

	server.TLS = current

	server.Judge = filter(cfg)
	if *cfg.Service.SenderChecks {
		server.Judge = authenticate(cfg)
	}

	server.Delivered = o.Delivered
	if cfg.Service.Journal != "" {
		log := newMessageLog(cfg.Path(cfg.Service.Journal), func(err error) {
			o.Notice("", err.Error())
		})

		defer log.close()

		server.Delivered = func(m receiver.Message) {
			log.stored(m)
			o.Delivered(m)
		}

		server.Refused = log.refused
	}

	if err := durable.MakePrivate(cfg.Path(cfg.Service.Maildir)); err != nil {
		return fmt.Errorf("service.maildir: %w", err)
	}

	o.Ready(listener.Addr())
	return server.Serve(ctx, listener)
}

// newServer returns the bundled receiver as the config wants it.
func newServer(cfg *config.Config, log *slog.Logger) *receiver.Server {
	l := cfg.Service.Limits
	size, _ := config.Octets(l.Size) // config has checked it
	return &receiver.Server{
		SettingsPath:   site.SettingsPath(cfg),
		Hostname:       cfg.Server.Hostname,
		Maildir:        cfg.Path(cfg.Service.Maildir),
		Logger:         log,
		MaxSize:        size,
		MaxRecipients:  l.Recipients,
		MaxConnections: l.Connections,
		MaxPerAddress:  l.PerAddress,
		MaxRate:        l.Rate,
		MinTLS:         minTLS(cfg.Service.TLS.Minimum),
	}
}

// minTLS is the version of a config's text; 0 is the receiver's default.
func minTLS(text string) uint16 {
	versions := map[string]uint16{
		"1.0": tls.VersionTLS10,
		"1.1": tls.VersionTLS11,
		"1.2": tls.VersionTLS12,
		"1.3": tls.VersionTLS13,
	}
	return versions[text]
}

// showMetrics serves the receiver's metrics where the config wants them.
func showMetrics(ctx context.Context, cfg *config.Config, server *receiver.Server, o Options) error {
	if cfg.Service.Metrics == "" {
		return nil
	}

	l, err := Listen(ctx, cfg.Service.Metrics)
	if err != nil {
		return fmt.Errorf("service.metrics: %w", err)
	}

	go func() {
		if err := serveMetrics(ctx, l, o.Version, server.Stats); err != nil {
			o.Logger.Error("metrics", "error", err) // mail goes on
		}
	}()

	return nil
}

// dropPrivileges goes on as service.user, and makes sure that this one can read and write all
// that receiving needs.
func dropPrivileges(cfg *config.Config) error {
	if cfg.Service.User == "" {
		return nil
	}

	u, err := lookupAccount(cfg.Service.User)
	if err != nil {
		return err
	}

	maildir := cfg.Path(cfg.Service.Maildir)
	acme := filepath.Join(site.StateDir(cfg), "acme")
	own := []string{maildir}

	if cfg.Service.TLS.Certificate == config.ACME {
		own = append(own, acme)
	}

	for _, dir := range own {
		if err := u.makeDir(dir); err != nil {
			return err
		}
	}

	if err := u.become(); err != nil {
		return err
	}

	read := []string{site.SettingsPath(cfg)}
	if t := cfg.Service.TLS; t.Certificate != "" && t.Certificate != config.ACME {
		read = append(read, cfg.Path(t.Certificate), cfg.Path(t.Key))
	}

	for _, path := range read {
		if err := u.canRead(path); err != nil {
			return err
		}
	}

	for _, dir := range own {
		if err := u.canWrite(dir, 2); err != nil {
			return err
		}
	}

	return nil
}

// filter takes out of each message what only this host may write, and says nothing of its own.
func filter(cfg *config.Config) func(context.Context, receiver.Message, io.ReadSeeker) (string, io.Reader, error) {
	return func(_ context.Context, _ receiver.Message, message io.ReadSeeker) (string, io.Reader, error) {
		return "", sender.StripOwnResults(cfg.Server.Hostname, message), nil
	}
}

// authenticate says on top of each message who it is from.
func authenticate(cfg *config.Config) func(context.Context, receiver.Message, io.ReadSeeker) (string, io.Reader, error) {
	dns := spf.Senders{Resolver: &resolver.Resolver{Servers: cfg.Verify.Resolvers}}
	c := &sender.Checker{Host: cfg.Server.Hostname, SPF: dns.SPF, Texts: dns.Texts}
	return func(ctx context.Context, m receiver.Message, message io.ReadSeeker) (string, io.Reader, error) {
		e := sender.Envelope{Helo: m.Helo, From: m.From}
		if remote, err := netip.ParseAddrPort(m.Remote); err == nil {
			e.Remote = remote.Addr()
		}

		header, err := c.Results(ctx, e, message)
		if err == nil {
			_, err = message.Seek(0, io.SeekStart)
		}

		return header, sender.StripOwnResults(c.Host, message), err
	}
}

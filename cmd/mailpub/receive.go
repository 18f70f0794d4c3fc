package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/mailsvc/sender"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/spf"
)

func (a *app) receiveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "receive",
		Short: "run the bundled SMTP receiver",
		Long: `Receives mail by SMTP for the domains of the config, and stores each message safely in a
Maildir before it says so. It accepts postmaster and abuse of every domain and the
declared aliases, and never relays. It prints one line for each message.

It serves what "mailpub apply" set up, and takes up a later apply by itself. Before the first
one it asks senders to come back later, so that nothing is lost. It listens at
service.listen, by default the server's address and the port that 25 is forwarded to,
and port 25 of server.public.ipv6.`,
		Example: "  mailpub receive\n  mailpub -c office.yaml receive",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if cfg.Service.Type != "receiver" {
				return fmt.Errorf("service.type is %q, want receiver: another server receives the mail of this site", cfg.Service.Type)
			}
			return a.receive(cmd.Context(), cfg)
		},
	}
}

// receive opens the ports, gives up root's rights where it is to, and serves until ctx is done.
func (a *app) receive(ctx context.Context, cfg *config.Config) error {
	listener, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	defer listener.Close()
	server := a.receiver(cfg)
	if at := cfg.Service.Metrics; at != "" {
		shown, err := listenAt(ctx, at)
		if err != nil {
			return fmt.Errorf("service.metrics: %w", err)
		}
		go func() {
			if err := serveMetrics(ctx, shown, server.Stats); err != nil {
				a.logger().Error("metrics", "error", err) // mail goes on
			}
		}()
	}
	if err := dropPrivileges(cfg); err != nil {
		return err
	}
	current, end, err := a.certificate(ctx, cfg)
	if err != nil {
		return err
	}
	defer end()
	server.TLS = current
	if *cfg.Service.SenderChecks {
		server.Judge = judge(cfg)
	}
	server.Delivered = func(m receiver.Message) {
		fmt.Fprintf(a.out, "%s  from <%s> at %s  for %s  %d bytes  %s\n", m.Time.Format(time.DateTime),
			clean(m.From), clean(m.Remote), clean(strings.Join(m.To, ", ")), m.Size, strings.Join(m.Paths, ", "))
	}
	if cfg.Service.Journal != "" {
		j := newJournal(cfg.Path(cfg.Service.Journal), func(err error) { fmt.Fprintln(a.err, clean(err.Error())) })
		defer j.close()
		printed := server.Delivered
		server.Delivered = func(m receiver.Message) { j.stored(m); printed(m) }
		server.Refused = j.refused
	}
	if err := durable.MakePrivate(cfg.Path(cfg.Service.Maildir)); err != nil {
		return fmt.Errorf("service.maildir: %w", err)
	}
	fmt.Fprintf(a.err, "receiving for %s at %s, mail goes to %s; Ctrl-C ends it\n",
		cfg.Server.Hostname, listener.Addr(), cfg.Path(cfg.Service.Maildir))
	return server.Serve(ctx, listener)
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
	maildir, acme := cfg.Path(cfg.Service.Maildir), filepath.Join(stateDir(cfg), "acme")
	own := []string{maildir}
	if cfg.Service.TLS.Certificate == config.ACME {
		own = append(own, acme)
	}
	for _, dir := range own {
		if err := u.give(dir); err != nil {
			return err
		}
	}
	if err := u.become(); err != nil {
		return err
	}
	read := []string{settingsPath(cfg)}
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

// receiver returns the bundled receiver as the config wants it.
func (a *app) receiver(cfg *config.Config) *receiver.Server {
	l := cfg.Service.Limits
	size, _ := config.Octets(l.Size) // config has checked it
	return &receiver.Server{
		SettingsPath: settingsPath(cfg), Hostname: cfg.Server.Hostname, Maildir: cfg.Path(cfg.Service.Maildir), Logger: a.logger(),
		MaxSize: size, MaxRecipients: l.Recipients, MaxConnections: l.Connections, MaxPerAddress: l.PerAddress, MaxRate: l.Rate,
	}
}

// judge says on top of each message who it is from.
func judge(cfg *config.Config) func(context.Context, receiver.Message, io.ReadSeeker) (string, io.Reader, error) {
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
		return header, sender.Without(c.Host, message), err
	}
}

// standIn starts the receiver when it is the site's mail service and nothing listens
// where it should; stands says whether it did. stop ends it.
func (a *app) standIn(ctx context.Context, w *world) (stop func(), stands bool) {
	none := func() {}
	if w.cfg.Service.Type != "receiver" {
		return none, false
	}
	d := net.Dialer{Timeout: 2 * time.Second}
	if conn, err := d.DialContext(ctx, "tcp", w.smtpAddr()); err == nil {
		conn.Close()
		return none, false
	}
	if user := w.cfg.Service.User; user != "" && os.Geteuid() == 0 {
		fmt.Fprintf(a.err, "nothing listens at %s, and the bundled receiver does not stand in: it would leave files that %s can't use\n", w.smtpAddr(), clean(user))
		return none, false
	}
	server := a.receiver(w.cfg)
	if t := w.cfg.Service.TLS; t.Certificate != config.ACME { // nothing is ordered for the time of the checks
		current, end, err := a.certificate(ctx, w.cfg)
		if err != nil {
			a.logger().Info("the receiver stands in without a certificate", "error", err)
		} else {
			defer end()
			server.TLS = current
		}
	}
	listener, err := listen(ctx, w.cfg)
	if err != nil { // the checks say that nothing answers
		a.logger().Info("no receiver was started for the checks", "error", err)
		return none, false
	}
	fmt.Fprintf(a.err, "nothing listens at %s: the bundled receiver stands in for the time of the checks\n", w.smtpAddr())
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			a.logger().Info("receiver", "error", err)
		}
	}, true
}

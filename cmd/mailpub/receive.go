package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/mailsvc/sender"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/providers"
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
	dns := providers.Senders{Resolver: &providers.Resolver{Servers: cfg.Verify.Resolvers}}
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

// listen opens the receiver's ports: at its address on the LAN and, as nothing is translated
// there, at port 25 of its public IPv6 address.
func listen(ctx context.Context, cfg *config.Config) (net.Listener, error) {
	addrs := []string{cfg.Service.Listen}
	if addrs[0] == "" {
		addrs[0] = net.JoinHostPort(cfg.Server.Address, fmt.Sprint(cfg.SMTPPort()))
		w := &world{cfg: cfg, resolver: &providers.Resolver{Servers: cfg.Verify.Resolvers}}
		w.findPublic6(ctx)
		if six := cfg.PlanSite(w.auto()...).IPv6(); six.IsValid() {
			addrs = append(addrs, netip.AddrPortFrom(six, 25).String())
		}
	}
	var all []net.Listener
	for _, addr := range addrs {
		l, err := listenAt(ctx, addr)
		if err != nil {
			for _, open := range all {
				open.Close()
			}
			return nil, err
		}
		all = append(all, l)
	}
	return join(all), nil
}

// listenAt opens a port. The error says what to do about the usual causes.
func listenAt(ctx context.Context, addr string) (net.Listener, error) {
	if runtime.GOOS == "windows" && answers(ctx, addr) {
		return nil, fmt.Errorf("listen tcp %s: a server answers there already, and Windows would let mailpub take its mail away (service.type says whose it is)", addr)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if hint := listenHint(err); hint != "" {
		return nil, fmt.Errorf("%w (%s)", err, hint)
	}
	return l, err
}

// answers reports whether something accepts connections at an address. On Windows one program can
// listen at an address of a port that another one has at all addresses, without an error for either.
func answers(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// Numbers of Windows (winsock2.h), whose errors are none of syscall's names there; no other system
// has numbers like these.
const wsaAccess, wsaAddrInUse, wsaAddrNotAvailable = syscall.Errno(10013), syscall.Errno(10048), syscall.Errno(10049)

// listenHint says what to do about a port that can't be opened, "" where nobody knows.
func listenHint(err error) string {
	switch {
	case errors.Is(err, wsaAccess):
		return "another program has the port for itself, or Windows keeps it back: netstat -abno, and netsh interface ipv4 show excludedportrange tcp"
	case errors.Is(err, os.ErrPermission):
		program, unknown := os.Executable()
		if unknown != nil {
			program = os.Args[0]
		}
		return "a port below 1024: run as root, with service.user to go on as; or once: setcap cap_net_bind_service=+ep " + program +
			"; or in the systemd unit: AmbientCapabilities=CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, wsaAddrNotAvailable):
		return fmt.Sprintf("no network card of %s has this address: run mailpub on the mail server, or set service.listen", hostname())
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, wsaAddrInUse):
		return "another mail server runs there; service.type says whose it is"
	}
	return ""
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

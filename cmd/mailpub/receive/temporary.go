package receive

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan/egress"
)

// Temporary returns what starts the receiver for the time of a verification (site.Options): where it
// is the site's mail server and nothing listens where it should.
func Temporary(o Options) func(context.Context, *site.Site) (stop func(), started bool) {
	return func(ctx context.Context, s *site.Site) (stop func(), started bool) {
		return startTemporary(ctx, s, o)
	}
}

func startTemporary(ctx context.Context, s *site.Site, o Options) (stop func(), started bool) {
	none := func() {}
	cfg := s.Config()
	if cfg.Service.Type != "receiver" {
		return none, false
	}

	d := net.Dialer{Timeout: 2 * time.Second, ControlContext: egress.Control}
	if conn, err := d.DialContext(ctx, "tcp", s.SMTPAddr()); err == nil {
		conn.Close()
		return none, false
	}

	if user := cfg.Service.User; user != "" && os.Geteuid() == 0 {
		o.Notice("", "nothing listens at "+s.SMTPAddr()+
			", and verify does not start the bundled receiver: it would leave files that "+user+
			" can't use")
		return none, false
	}

	server := newServer(cfg, o.Logger)
	if cfg.Service.TLS.Certificate != config.ACME { // nothing is ordered for the time of the checks
		current, end, err := certificate(ctx, cfg, o)
		if err != nil {
			o.Logger.Info("the temporary receiver has no certificate", "error", err)
		} else {
			defer end()
			server.TLS = current
		}
	}

	listener, err := listen(ctx, cfg)
	if err != nil { // the checks say that nothing answers
		o.Logger.Info("no receiver was started for the checks", "error", err)
		return none, false
	}

	o.Notice("", "nothing listens at "+s.SMTPAddr()+
		": verify runs the bundled receiver during the checks")

	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()

	return func() {
		cancel()
		if err := <-done; err != nil {
			o.Logger.Info("receiver", "error", err)
		}
	}, true
}

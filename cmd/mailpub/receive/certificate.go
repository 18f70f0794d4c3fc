package receive

import (
	"context"
	"crypto/tls"
	"path/filepath"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/mailsvc/certs"
)

// certificate returns what the receiver speaks TLS with, nil where the config has no
// certificate, and what ends its keeping once ctx is done.
func certificate(ctx context.Context, cfg *config.Config, o Options) (current func() *tls.Config, end func(), err error) {
	t := cfg.Service.TLS
	switch t.Certificate {
	case "":
		return nil, func() {}, nil
	case config.ACME:
		return acme(ctx, cfg, o)
	}

	files, err := certs.FromFiles(cfg.Path(t.Certificate), cfg.Path(t.Key), o.Logger)
	if err != nil {
		return nil, nil, err
	}

	if problem := files.Problem(cfg.Server.Hostname, time.Now()); problem != "" {
		o.Notice("certificate:", problem+"; most senders ignore that, but not those that enforce MTA-STS")
	}

	served := files.Config()
	return func() *tls.Config { return served }, func() {}, nil
}

func acme(ctx context.Context, cfg *config.Config, o Options) (func() *tls.Config, func(), error) {
	challenge, err := site.NewDNSChallenge(ctx, cfg, o.Site)
	if err != nil {
		return nil, nil, err
	}

	t := cfg.Service.TLS
	options := certs.Options{
		Host:      cfg.Server.Hostname,
		Directory: t.Directory,
		Email:     t.Email,
		Storage:   filepath.Join(site.StateDir(cfg), "acme"),
		Prover:    challenge,
		Logger:    o.Notices,
	}

	if t.Roots != "" {
		options.Roots = cfg.Path(t.Roots)
	}

	made, err := certs.FromACME(ctx, options)
	if err != nil {
		return nil, nil, err
	}

	return made.Config, made.Close, nil
}

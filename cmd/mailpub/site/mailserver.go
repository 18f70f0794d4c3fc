package site

import (
	"cmp"
	"context"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/exim"
	"github.com/mailpub/mailpub/mailsvc/mdaemon"
	"github.com/mailpub/mailpub/mailsvc/postfix"
	"github.com/mailpub/mailpub/plan/mail"
)

// newServer makes the driver of the mail server.
func newServer(cfg *config.Config, spec mail.Spec, o Options) mailsvc.Server {
	s := cfg.Service
	addr := smtpAddr(cfg, spec)
	domain := "" // where others take the mail of every domain, none is tried
	if names := domainNames(spec); len(names) > 0 {
		domain = names[0]
	}
	switch s.Type {
	case "postfix":
		return &postfix.Driver{
			Dir:     s.Settings["config_directory"],
			Dovecot: s.Settings["dovecot"],
			PAM:     s.Settings["pam"],
			Addr:    addr,
			Hosts:   cmp.Or(cfg.HostsFile(), "/etc/hosts"),
			Public:  spec.Public,
			Logger:  o.logger(),
		}
	case "mdaemon":
		return mdaemon.New(addr, domain, mdaemonClient(cfg))
	case "exim":
		return exim.New(addr, exim.Driver{Command: "exim4", Domain: domain})
	case "opensmtpd":
		return mailsvc.OpenSMTPD().Driver(addr, domain, nil)
	case "mox":
		return mailsvc.Mox().Driver(addr, domain, nil)
	case "maddy":
		return mailsvc.Maddy().Driver(addr, domain, nil)
	case "manual":
		return &mailsvc.Manual{Addr: addr, Domain: domain}
	}
	return &mailsvc.Receiver{Path: SettingsPath(cfg)}
}

// mdaemonClient returns what asks MDaemon's XML API, nil where the config does not say where
// that is.
func mdaemonClient(cfg *config.Config) *mdaemon.Client {
	s := cfg.Service.Settings
	if s["url"] == "" {
		return nil
	}
	c := &mdaemon.Client{
		URL: s["url"], User: s["user"], Fingerprint: s["fingerprint"],
		Password: func(ctx context.Context) (string, error) { return cfg.ServiceSecret(ctx, "password") },
	}
	if s["ca_file"] != "" {
		c.CAFile = cfg.Path(s["ca_file"])
	}
	return c
}

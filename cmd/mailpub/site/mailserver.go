package site

import (
	"cmp"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/exim"
	"github.com/mailpub/mailpub/mailsvc/postfix"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// newServer makes the driver of the mail server. The ledger knows what the administrator confirmed. The error is that
// of a file that the config names.
func newServer(cfg *config.Config, spec mail.Spec, l *plan.Ledger, o Options) (mailsvc.Server, error) {
	s := cfg.Service
	addr := smtpAddr(cfg, spec)
	domain := firstDomain(spec)
	byHand := func(m *mailsvc.Manual) mailsvc.Server {
		setConfirmations(m, cfg, l)
		return m
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
		}, nil
	case "mdaemon":
		return newMDaemon(cfg, spec, l)
	case "exim":
		return exim.New(addr, exim.Driver{Command: "exim4", Domain: domain}), nil
	case "opensmtpd":
		return byHand(mailsvc.OpenSMTPD().Driver(addr, domain, nil)), nil
	case "mox":
		return byHand(mailsvc.Mox().Driver(addr, domain, nil)), nil
	case "maddy":
		return byHand(mailsvc.Maddy().Driver(addr, domain, nil)), nil
	case "manual":
		return byHand(&mailsvc.Manual{Addr: addr, Domain: domain}), nil
	}

	return &mailsvc.Receiver{Path: SettingsPath(cfg)}, nil
}

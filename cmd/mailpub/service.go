package main

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/check"
	"github.com/mailpub/mailpub/mailsvc/exim"
	"github.com/mailpub/mailpub/mailsvc/mdaemon"
	"github.com/mailpub/mailpub/mailsvc/postfix"
	"github.com/mailpub/mailpub/plan/mail"
)

// service makes the driver of the mail server.
func (a *app) service(w *world) mailsvc.Server {
	s, domain := w.cfg.Service, w.domainNames()[0]
	switch s.Type {
	case "postfix":
		return &postfix.Driver{
			Dir: s.Settings["config_directory"], Dovecot: s.Settings["dovecot"], PAM: s.Settings["pam"],
			Addr: w.smtpAddr(), Hosts: cmp.Or(w.cfg.HostsFile(), "/etc/hosts"), Public: w.site.Public, Logger: a.logger(),
		}
	case "mdaemon":
		return mdaemon.New(w.smtpAddr(), domain, mdaemonClient(w.cfg))
	case "exim":
		return exim.New(w.smtpAddr(), exim.Driver{Command: "exim4", Domain: domain})
	case "opensmtpd":
		return mailsvc.OpenSMTPD().Driver(w.smtpAddr(), domain, nil)
	case "mox":
		return mailsvc.Mox().Driver(w.smtpAddr(), domain, nil)
	case "maddy":
		return mailsvc.Maddy().Driver(w.smtpAddr(), domain, nil)
	case "manual":
		return &mailsvc.Manual{Addr: w.smtpAddr(), Domain: domain}
	}
	return &mailsvc.Receiver{Path: settingsPath(w.cfg)}
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

// domainNames returns the mail domains as addresses have them.
func (w *world) domainNames() (names []string) {
	for _, d := range w.site.Domains {
		names = append(names, strings.TrimSuffix(d.Name, "."))
	}
	return names
}

func (w *world) mailFacts() check.Facts {
	f := check.Facts{
		Hostname: w.cfg.Server.Hostname, Addr: w.smtpAddr(), Domains: w.domainNames(), Egress: w.cfg.Verify.Egress,
		Sends: w.cfg.Service.Type != "receiver", Collectors: w.site.Service.Collectors,
		Own: append([]netip.Addr{w.site.Address}, w.site.Public...), Lookup: w.resolver.Addresses,
	}
	f.Strict, f.Backups, f.Accounts = w.strict(), w.backups(), w.cfg.Verify.Accounts
	if m := w.cfg.Verify.Mailbox; m.User != "" {
		f.Mailbox = &check.Mailbox{IMAP: m.IMAP, POP3: m.POP3, User: m.User, Password: w.cfg.MailboxPassword}
	}
	needs := w.site.ServiceItems()
	if w.cfg.Service.Maildir != "" {
		f.Maildir = w.cfg.Path(w.cfg.Service.Maildir)
	}
	switch w.cfg.Service.Type {
	case "receiver":
		f.Closed = true
	case "postfix":
		f.Closed = !slices.ContainsFunc(w.site.Service.Networks, func(p netip.Prefix) bool { return p.Contains(w.site.Address) })
	}
	if i, ok := w.server.(mailsvc.Inspector); ok {
		f.Inspect = func(ctx context.Context) ([]mailsvc.Setting, error) { return i.Inspect(ctx, needs) }
	}
	for _, it := range needs {
		if need, name := mailsvc.SplitNeed(it.Key); need == mail.NeedAlias && strings.Contains(name, "@") {
			f.Aliases = append(f.Aliases, name)
		}
	}
	for _, fw := range w.site.Forwards {
		if fw.Proto == "tcp" {
			f.Services = append(f.Services, check.Service{
				Name: fw.Name, Addr: net.JoinHostPort(w.site.Address.String(), strconv.Itoa(int(fw.Internal))),
			})
		}
		if six := w.site.IPv6(); fw.Proto == "tcp" && six.IsValid() && len(w.site.Shut) == 0 {
			f.Services = append(f.Services, check.Service{Name: fw.Name, Addr: netip.AddrPortFrom(six, fw.Port).String()})
		}
	}
	return f
}

// strict names what makes senders refuse the mail host's certificate when it is not right. DANE
// does not: its records stand for the key alone, whoever signed the certificate and whatever it
// names (RFC 7672 section 3.1.1).
func (w *world) strict() string {
	if slices.ContainsFunc(w.site.Domains, func(d mail.Domain) bool { return d.MTASTS.Mode == "enforce" }) {
		return "MTA-STS"
	}
	return ""
}

// backups are the MX hosts of the domains that are not the mail host.
func (w *world) backups() (list []check.Backup) {
	for _, d := range w.site.Domains {
		for _, mx := range d.MX {
			if host := mail.FQDN(mx.Host); host != mail.FQDN(w.site.Host) && host != "." {
				list = append(list, check.Backup{Host: strings.TrimSuffix(host, "."), Domain: strings.TrimSuffix(d.Name, ".")})
			}
		}
	}
	return list
}

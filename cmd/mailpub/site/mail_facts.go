package site

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/mailsvc"
	mailcheck "github.com/mailpub/mailpub/mailsvc/check"
	"github.com/mailpub/mailpub/mailsvc/mdaemon"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// mailFacts is what checking the mail server takes.
func (s *Site) mailFacts() mailcheck.Facts {
	f := mailcheck.Facts{
		Hostname:   s.cfg.Server.Hostname,
		Addr:       s.SMTPAddr(),
		Domains:    domainNames(s.spec),
		Egress:     s.cfg.Verify.Egress,
		Sends:      s.cfg.Service.Type != "receiver",
		Collectors: s.spec.Service.Collectors,
		Own:        append([]netip.Addr{s.spec.Address}, s.spec.Public...),
		Lookup:     s.resolver.Addresses,
		Strict:     s.tlsPolicy(),
		Backups:    s.backups(),
		Accounts:   s.cfg.Verify.Accounts,
		Patience:   s.cfg.Verify.Wait(),
	}

	if m := s.cfg.Verify.Mailbox; m.User != "" {
		f.Mailbox = &mailcheck.Mailbox{
			IMAP:     m.IMAP,
			POP3:     m.POP3,
			User:     m.User,
			Password: s.cfg.MailboxPassword,
		}
	}

	needs := s.spec.ServiceItems()
	if s.cfg.Service.Maildir != "" {
		f.Maildir = s.cfg.Path(s.cfg.Service.Maildir)
	}

	if d, ok := s.server.(*mdaemon.Driver); ok && f.Maildir == "" {
		f.Maildir = d.Folder(postmaster(needs))
	}

	switch s.cfg.Service.Type {
	case "receiver":
		f.Closed = true
	case "postfix":
		f.Closed = !slices.ContainsFunc(s.spec.Service.Networks, func(p netip.Prefix) bool {
			return p.Contains(s.spec.Address)
		})
	}

	if i, ok := s.server.(mailsvc.Inspector); ok {
		f.Inspect = func(ctx context.Context) ([]mailsvc.Setting, error) {
			return i.Inspect(ctx, needs)
		}
	}

	for _, it := range needs {
		if need, name := mailsvc.SplitNeed(it.Key); need == mail.NeedAlias &&
			strings.Contains(name, "@") {
			f.Aliases = append(f.Aliases, name)
		}
	}

	f.Services = s.services()
	return f
}

// postmaster is the mailbox that the first domain's postmaster has.
func postmaster(needs []plan.Item) string {
	for _, it := range needs {
		if _, name := mailsvc.SplitNeed(it.Key); strings.HasPrefix(name, "postmaster@") {
			return strings.Join(it.Lines, "")
		}
	}
	return ""
}

// services are the TCP ports that are forwarded, where the mail server has them.
func (s *Site) services() (list []mailcheck.Service) {
	six := s.spec.IPv6()
	byIPv6 := six.IsValid() && len(s.spec.Shut) == 0
	for _, f := range s.spec.Forwards {
		if f.Proto != "tcp" {
			continue
		}

		inside := net.JoinHostPort(s.spec.Address.String(), strconv.Itoa(int(f.Internal)))
		list = append(list, mailcheck.Service{Name: f.Name, Addr: inside})
		if byIPv6 {
			list = append(list, mailcheck.Service{
				Name: f.Name,
				Addr: netip.AddrPortFrom(six, f.Port).String(),
			})
		}
	}

	return list
}

// tlsPolicy names what makes senders refuse the mail host's certificate when it is not right. DANE
// does not: its records stand for the key alone, whoever signed the certificate and whatever it
// names (RFC 7672 section 3.1.1).
func (s *Site) tlsPolicy() string {
	if slices.ContainsFunc(s.spec.Domains, func(d mail.Domain) bool {
		return d.MTASTS.Mode == "enforce"
	}) {
		return "MTA-STS"
	}
	return ""
}

// backups are the MX hosts of the domains that are not the mail host.
func (s *Site) backups() (list []mailcheck.Backup) {
	for _, d := range s.spec.Domains {
		for _, mx := range d.MX {
			if host := mail.FQDN(mx.Host); host != mail.FQDN(s.spec.Host) && host != "." {
				list = append(list, mailcheck.Backup{
					Host:   strings.TrimSuffix(host, "."),
					Domain: strings.TrimSuffix(d.Name, "."),
				})
			}
		}
	}

	return list
}

// Package mdaemon asks MDaemon what it is set to, as far as its XML API is known to tell, and
// says where in its dialogs a person sets the rest. It writes nothing: the files and the
// fields of MDaemon are not published, and nothing about them is guessed. What was set is
// proved by SMTP.
package mdaemon

import (
	"context"
	"errors"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// New returns the driver of an MDaemon at addr. client may be nil: then only SMTP tells.
func New(addr, domain string, client *Client) *mailsvc.Manual {
	m := &mailsvc.Manual{Addr: addr, Domain: domain, Words: words()}
	if client != nil {
		m.Shown = func(ctx context.Context, keys []plan.Key) (map[string]mailsvc.Shown, error) {
			return shown(ctx, client, domain, keys)
		}
	}
	return m
}

// shown asks for domains and accounts. What MDaemon does not confirm is left to SMTP, as its
// status does not tell "no such domain" from other refusals in a way that is published.
func shown(ctx context.Context, c *Client, domain string, keys []plan.Key) (map[string]mailsvc.Shown, error) {
	version, err := c.GetVersionInfo(ctx)
	if err != nil {
		return nil, err
	}
	if version.Status.ID != "0" {
		return nil, errors.New("MDaemon's XML API does not answer GetVersionInfo: " + version.Status.Message)
	}
	found := map[string]mailsvc.Shown{}
	for _, k := range keys {
		var a Answer
		text := ""
		switch need, name := mailsvc.SplitNeed(k); need {
		case mail.NeedDomain:
			text = mail.Served
			a, err = c.GetDomainInfo(ctx, name)
		case mail.NeedMailbox:
			text = mail.Exists
			a, err = c.GetUserInfo(ctx, domain, name)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		if a.Status.ID == "0" {
			found[k.Name] = mailsvc.Shown{Lines: []string{text}}
		}
	}
	return found, nil
}

// words name the places in MDaemon's dialogs.
func words() mailsvc.Words {
	const relay = "Security > Security Settings > Relay Control"
	return mailsvc.Words{
		mail.NeedHostname:     "Setup > Domain Manager > Host Name & IP: SMTP host name {text}",
		mail.NeedListen:       "Setup > Default Domain & Servers: let SMTP listen at {text}",
		mail.NeedDomain:       "Setup > Domain Manager > New domain: {name}",
		mail.NeedMailbox:      "Accounts > Account Manager > New: {name}, with a strong password",
		mailsvc.NeedRecipient: "Aliases: {name} = {text} (in every domain: Postmaster@* and abuse@*)",
		mail.NeedDelivery:     `Setup > Default Domain & Servers > Delivery: {text} ("Send all outbound email directly to the recipient's mail server", or "Send all email directly first, and then to smart hosts if there are problems")`,
		mail.NeedRelaying:     relay + `: "Do not allow message relaying"{text}`,
		mail.NeedRecipients: relay + `: "SMTP MAIL address must exist if it uses a local domain" and ` +
			`"SMTP RCPT address must exist if it uses a local domain"`,
		mail.NeedSenders:   `Aliases > Settings: "Mail from 'Postmaster,' 'abuse,' 'webmaster' requires authentication"; and SMTP authentication for senders of local domains`,
		mail.NeedAccount:   "Accounts > Account Manager: remove {name}, or let every account authenticate and give it a strong password",
		mail.NeedPasswords: "Accounts > Account Settings > Passwords: require strong passwords",
		mail.NeedCollector: "MultiPOP and DomainPOP: let them poll {name} by its provider's address, since the name is this server now",
		mail.NeedSigning:   "Security > Security Settings > DKIM Signing: sign mail of {name}, {text}",
	}
}

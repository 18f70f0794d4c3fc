package mailsvc

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailpub/mailpub/mailsvc/command"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// ConfigChecker is a mail server whose command says whether its configuration is valid, and no
// more. What it does is seen by SMTP.
type ConfigChecker struct {
	Name    string   // "OpenSMTPD"
	Command []string // that says whether it is valid
	Words   Instructions
}

// OpenSMTPD returns what is known of it (smtpd(8), smtpd.conf(5)).
func OpenSMTPD() ConfigChecker {
	return ConfigChecker{"OpenSMTPD", []string{"smtpd", "-n"}, Instructions{
		mail.NeedHostname:   `smtpd.conf: listen on ... hostname "{text}"; and the same in /etc/mail/mailname`,
		mail.NeedListen:     "smtpd.conf: listen on the address of {text}",
		mail.NeedDomain:     `smtpd.conf: match from any for domain "{name}" action "local"`,
		NeedRecipient:       "add {name} to the aliases or virtual table of its action: {text}; then smtpctl update table",
		mail.NeedMailbox:    "create the account (adduser {name}), or an alias",
		mail.NeedDelivery:   `smtpd.conf: {text} (action "outbound" relay, with host smtp+tls://... for a smart host)`,
		mail.NeedRelaying:   "smtpd.conf: no match from any for any, but with auth{text}",
		mail.NeedSenders:    `smtpd.conf: match !auth from any mail-from "@DOMAIN" for any reject, before the others, for each of its domains`,
		mail.NeedRecipients: "smtpd.conf: no catch-all in the virtual table (a line that begins with @)",
		mail.NeedSigning:    "smtpd.conf: filter with dkimsign for {name}: {text}",
	}}
}

// Mox returns what is known of it (its command's help).
func Mox() ConfigChecker {
	return ConfigChecker{"mox", []string{"mox", "config", "test"}, Instructions{
		mail.NeedHostname:   "mox.conf: Hostname: {text}, also of the listener",
		mail.NeedListen:     "mox.conf: Listeners, public, IPs: the address of {text}, SMTP enabled",
		mail.NeedDomain:     "mox config domain add {name} ACCOUNT",
		NeedRecipient:       "mox config alias add {name} ADDRESS, or mox config address add {name} {text}",
		mail.NeedMailbox:    "mox config account add {name} {name}@DOMAIN",
		mail.NeedDelivery:   "domains.conf: Routes, and mox.conf: Transports: {text}",
		mail.NeedRecipients: "domains.conf: no catch-all address (one without a local part)",
		mail.NeedSigning:    "domains.conf: DKIM of {name}: {text}",
	}}
}

// Maddy returns what is known of it (maddy.conf).
func Maddy() ConfigChecker {
	return ConfigChecker{"maddy", []string{"maddy", "verify-config"}, Instructions{
		mail.NeedHostname:   "maddy.conf: $(hostname) = {text}",
		mail.NeedListen:     "maddy.conf: smtp tcp://{text}",
		mail.NeedDomain:     "maddy.conf: add {name} to $(local_domains)",
		NeedRecipient:       "add {name}: {text} to /etc/maddy/aliases",
		mail.NeedMailbox:    "maddy creds create {name}@DOMAIN, and maddy imap-acct create {name}@DOMAIN",
		mail.NeedDelivery:   "maddy.conf: target.remote outbound_delivery, or target.smtp for a smart host: {text}",
		mail.NeedRelaying:   "maddy.conf: in smtp, default_source: default_destination { reject 550 5.1.1 }{text}",
		mail.NeedSenders:    "maddy.conf: in smtp: source $(local_domains) { reject 501 5.1.8 }",
		mail.NeedRecipients: "maddy.conf: in smtp: destination $(local_domains) without a catch-all",
		mail.NeedSigning:    "maddy.conf: modify { dkim $(primary_domain) $(local_domains) default } for {name}: {text}",
	}}
}

// Driver returns the driver of such a server at addr. run is nil where the server is on this
// machine. A configuration that is not valid is an error: what the server does now is not
// what it does after its next start.
func (v ConfigChecker) Driver(addr, domain string, run command.Run) *Manual {
	if run == nil {
		run = command.Execute
	}

	return &Manual{
		Addr:   addr,
		Domain: domain,
		Words:  v.Words,
		Shown: func(ctx context.Context, _ []plan.Key) (map[string]Observed, error) {
			_, err := run(ctx, "", v.Command[0], v.Command[1:]...)
			if errors.Is(err, command.ErrMissing) {
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("configuration of %s is not valid: %w", v.Name, err)
			}

			return nil, nil
		},
	}
}

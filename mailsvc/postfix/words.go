package postfix

import (
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan/mail"
)

// instructions are what a person has to do beside Postfix.
func instructions() mailsvc.Instructions {
	return mailsvc.Instructions{
		mail.NeedMailbox:   "create the account (adduser {name}), or give {name} an alias in /etc/aliases and run newaliases",
		mail.NeedPasswords: "let PAM refuse weak passwords: apt-get install libpam-pwquality",
		mail.NeedCollector: "let fetchmail or getmail poll {name} by its provider's address: the name is this server now",
		mail.NeedSigning:   "let a milter sign (opendkim or rspamd; smtpd_milters and non_smtpd_milters in main.cf): {text}",
	}
}

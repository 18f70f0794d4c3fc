package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Defaults and bounds of what verify sends.
const (
	defaultPerDay   = 6
	mostPerDay      = 100
	defaultPatience = 2 * time.Minute
	mostPatience    = time.Hour
)

// mailboxes checks what verify uses of mailboxes elsewhere.
func (k *checker) mailboxes() {
	v := k.c.Verify
	for i, m := range v.Mailboxes {
		k.elsewhere(fmt.Sprintf("verify.mailboxes[%d]", i), m)
	}

	if v.Recipient != "" && !fullAddress(v.Recipient) {
		k.add("verify.recipient", "%q is no address, want one like postmaster@example.org",
			v.Recipient)
	} else if _, domain, _ := strings.Cut(v.Recipient, "@"); v.Recipient != "" &&
		!k.served(domain) {
		k.add("verify.recipient", "%q is not in one of the domains: mailpub sends mail to no other address",
			v.Recipient)
	}

	if v.PerDay < 0 || v.PerDay > mostPerDay {
		k.add("verify.messages_per_day", "is %d, want a number from 1 to %d", v.PerDay,
			mostPerDay)
	}

	if d, err := time.ParseDuration(v.Patience); v.Patience != "" &&
		(err != nil || d < time.Second || d > mostPatience) {
		k.add("verify.patience", "is %q, want a time from 1s to 1h, like 2m", v.Patience)
	}

	k.outbound(v.Outbound)
	k.reports(v.Reports)
}

func (k *checker) elsewhere(at string, m RemoteMailbox) {
	if !fullAddress(m.Address) {
		k.add(at+".address", "is %q, want the address of the mailbox, like mario@example.net",
			m.Address)
	} else if _, domain, _ := strings.Cut(m.Address, "@"); k.served(domain) {
		k.add(at+".address", "%q is one of the site's own, want one at another provider",
			m.Address)
	}

	if m.Provider != "" {
		k.word("verify.mailboxes.provider", at+".provider", m.Provider)
	}

	for _, server := range [][2]string{{"submission", m.Submission}, {"imap", m.IMAP}} {
		switch {
		case server[1] == "" && m.Provider == "":
			k.add(at+"."+server[0], "is missing, want HOST:PORT, or a provider that is known")
		case server[1] != "" && !hostAndPort(server[1]):
			k.add(at+"."+server[0], "is %q, want HOST:PORT, like imap.example.net:993",
				server[1])
		}
	}

	if m.OAuth == (OAuth{}) {
		k.reference(at+".password", m.Password)
		return
	}

	if m.Password != "" {
		k.add(at+".password", "is set together with oauth, want one of them")
	}

	k.oauth(at+".oauth", m)
}

func (k *checker) oauth(at string, m RemoteMailbox) {
	if m.OAuth.ClientID == "" {
		k.add(at+".client_id", "is missing, want that of the application that the provider knows")
	}

	k.reference(at+".refresh_token", m.OAuth.RefreshToken)
	if m.OAuth.ClientSecret != "" {
		k.reference(at+".client_secret", m.OAuth.ClientSecret)
	}

	p, _ := LookupMailboxProvider(m.Provider)
	u, err := url.Parse(m.OAuth.TokenURL)
	switch {
	case m.OAuth.TokenURL == "" && p.TokenURL == "":
		k.add(at+".token_url", "is missing, want the provider's, or provider: google or microsoft")
	case m.OAuth.TokenURL != "" && (err != nil ||
		u.Scheme != "https" && u.Hostname() != "127.0.0.1" || u.Host == ""):
		k.add(at+".token_url", "is %q, want a URL that begins with https://", m.OAuth.TokenURL)
	}
}

func (k *checker) outbound(o Outbound) {
	const at = "verify.outbound"
	if o.Submission != "" && !hostAndPort(o.Submission) {
		k.add(at+".submission", "is %q, want HOST:PORT, like 10.10.10.10:587", o.Submission)
	}

	if o.User != "" {
		k.reference(at+".password", o.Password)
	} else if o.Password != "" {
		k.add(at+".user", "is missing, want the user of the password")
	}

	if _, domain, _ := strings.Cut(o.From, "@"); o.From != "" &&
		(!fullAddress(o.From) || !k.served(domain)) {
		k.add(at+".from", "is %q, want an address in one of the domains", o.From)
	}
}

func (k *checker) reports(r Reports) {
	const at = "verify.reports"
	if r == (Reports{}) {
		return
	}

	switch {
	case r.Maildir == "" && r.IMAP == "":
		k.add(at, "names no place, want maildir: or imap:")
	case r.Maildir != "" && r.IMAP != "":
		k.add(at, "names two places, want maildir: or imap:")
	case r.IMAP != "" && !hostAndPort(r.IMAP):
		k.add(at+".imap", "is %q, want HOST:PORT, like 10.10.10.10:143", r.IMAP)
	case r.IMAP != "":
		if r.User == "" {
			k.add(at+".user", "is missing")
		}
		k.reference(at+".password", r.Password)
	}
}

// fullAddress reports whether s is an address with a domain.
func fullAddress(s string) bool {
	local, domain, ok := strings.Cut(strings.ToLower(s), "@")
	return ok && mailbox(local) && hostName(ASCII(domain))
}

// MessagesPerDay is how many messages verify sends on a day, at most.
func (v Verify) MessagesPerDay() int {
	if v.PerDay == 0 {
		return defaultPerDay
	}
	return v.PerDay
}

// Wait is how long a message is waited for.
func (v Verify) Wait() time.Duration {
	if d, err := time.ParseDuration(v.Patience); err == nil {
		return d
	}
	return defaultPatience
}

// Servers returns the mailbox's submission and IMAP servers.
func (m RemoteMailbox) Servers() (submission, imap string) {
	p, _ := LookupMailboxProvider(m.Provider)
	submission = p.Submission
	imap = p.IMAP

	if m.Submission != "" {
		submission = m.Submission
	}

	if m.IMAP != "" {
		imap = m.IMAP
	}

	return submission, imap
}

package config

// MailboxProvider is a provider whose servers are known.
type MailboxProvider struct {
	Name, Submission, IMAP string
	TokenURL               string // of OAuth 2; "" where it takes passwords
	DeviceURL              string // of the device flow (RFC 8628)
	Scope                  string
}

// MailboxProviders are those that verify.mailboxes can name, as their help pages give their servers.
func MailboxProviders() []MailboxProvider {
	return []MailboxProvider{
		{Name: "google", Submission: "smtp.gmail.com:465", IMAP: "imap.gmail.com:993", TokenURL: "https://oauth2.googleapis.com/token",
			DeviceURL: "https://oauth2.googleapis.com/device/code", Scope: "https://mail.google.com/"},
		{Name: "microsoft", Submission: "smtp-mail.outlook.com:587", IMAP: "outlook.office365.com:993",
			TokenURL:  "https://login.microsoftonline.com/common/oauth2/v2.0/token",
			DeviceURL: "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
			Scope:     "offline_access https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send"},
		{Name: "gmx", Submission: "mail.gmx.net:465", IMAP: "imap.gmx.net:993"},
		{Name: "webde", Submission: "smtp.web.de:587", IMAP: "imap.web.de:993"},
		{Name: "yahoo", Submission: "smtp.mail.yahoo.com:465", IMAP: "imap.mail.yahoo.com:993"},
		{Name: "icloud", Submission: "smtp.mail.me.com:587", IMAP: "imap.mail.me.com:993"},
		{Name: "fastmail", Submission: "smtp.fastmail.com:465", IMAP: "imap.fastmail.com:993"},
		{Name: "libero", Submission: "smtp.libero.it:465", IMAP: "imapmail.libero.it:993"},
		{Name: "aruba", Submission: "smtps.aruba.it:465", IMAP: "imaps.aruba.it:993"},
	}
}

func mailboxProviderNames() (names []string) {
	for _, p := range MailboxProviders() {
		names = append(names, p.Name)
	}
	return names
}

// LookupMailboxProvider returns the provider of that name.
func LookupMailboxProvider(name string) (MailboxProvider, bool) {
	for _, p := range MailboxProviders() {
		if p.Name == name {
			return p, true
		}
	}
	return MailboxProvider{}, false
}

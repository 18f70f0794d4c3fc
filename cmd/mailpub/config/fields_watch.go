package config

// verifyFields are the fields of verify.
func verifyFields() []Field {
	return []Field{
		{
			Path: "verify",
		},
		{
			Path:    "verify.resolvers",
			Example: "[192.0.2.53]",
			Text:    "by default the system's",
		},
		{
			Path:    "verify.egress",
			Example: "[mx.example.net]",
			Text:    "mail servers outside that port 25 is tried at",
		},
		{
			Path:    "verify.hosts",
			Example: "/etc/hosts",
			Text:    "by default the system's",
		},
		{
			Path:    "verify.dnsbl",
			Example: "[zen.spamhaus.org]",
			Text: "block lists to ask about the public addresses; by default\n" +
				"none is asked",
		},
		{
			Path:    "verify.accounts",
			Example: "true",
			Text: "try three guessable logins (account.weak); a server may\n" +
				"treat that as an attack, so not by default",
		},
		{
			Path: "verify.mailbox",
			Text: "where verify finds the test message",
		},
		{
			Path:    "verify.mailbox.imap",
			Example: "10.10.10.10:143",
			Text:    "or pop3: 10.10.10.10:110, or both",
		},
		{
			Path:     "verify.mailbox.user",
			Example:  "mario",
			Text:     "the account that receives the postmaster's mail",
			Required: true,
		},
		{
			Path:     "verify.mailbox.password",
			Example:  `"env:MARIO_PASSWORD"`,
			Text:     "a reference",
			Required: true,
		},
		{
			Path: "verify.mailboxes",
			Text: "at other providers: a message to each and from each shows\n" +
				"what arrives (docs/mailboxes.md)",
		},
		{
			Path:     "verify.mailboxes.address",
			Example:  "mario@example.net",
			Required: true,
			Item:     true,
		},
		{
			Path:    "verify.mailboxes.provider",
			Example: "gmx",
			Text:    "its servers are known; otherwise set submission and imap",
			Words:   mailboxProviderNames(),
		},
		{
			Path:    "verify.mailboxes.submission",
			Example: "smtp.example.net:465",
			Off:     true,
		},
		{
			Path:    "verify.mailboxes.imap",
			Example: "imap.example.net:993",
			Off:     true,
		},
		{
			Path:    "verify.mailboxes.user",
			Example: "mario",
			Text:    "by default the address",
			Off:     true,
		},
		{
			Path:    "verify.mailboxes.password",
			Example: `"env:MAILBOX_PASSWORD"`,
			Text:    "a reference; or oauth",
		},
		{
			Path:    "verify.mailboxes.ca_file",
			Example: "provider-ca.pem",
			Text:    "CA certificates for its servers; by default the system's",
			Off:     true,
		},
		{
			Path: "verify.mailboxes.oauth",
			Text: "Google and Microsoft: mailpub mailbox add writes it",
			Off:  true,
		},
		{
			Path:    "verify.mailboxes.oauth.client_id",
			Example: "1234.apps.googleusercontent.com",
			Off:     true,
		},
		{
			Path:    "verify.mailboxes.oauth.client_secret",
			Example: `"env:MAILBOX_CLIENT_SECRET"`,
			Off:     true,
		},
		{
			Path:    "verify.mailboxes.oauth.refresh_token",
			Example: `"file:mailbox.token"`,
			Off:     true,
		},
		{
			Path:    "verify.mailboxes.oauth.token_url",
			Example: "https://login.example.net/token",
			Text:    "by default the provider's",
			Off:     true,
		},
		{
			Path:    "verify.recipient",
			Example: "postmaster@nomeazienda.it",
			Text:    "their recipient; this is the default",
		},
		{
			Path: "verify.outbound",
			Text: "how the message to them leaves; by default at the SMTP\n" +
				"port, where the server takes mail from this machine",
		},
		{
			Path:    "verify.outbound.submission",
			Example: "10.10.10.10:587",
		},
		{
			Path:    "verify.outbound.user",
			Example: "mario",
		},
		{
			Path:    "verify.outbound.password",
			Example: `"env:MARIO_PASSWORD"`,
			Text:    "a reference",
		},
		{
			Path:    "verify.outbound.from",
			Example: "postmaster@nomeazienda.it",
			Text:    "this is the default",
		},
		{
			Path:    "verify.messages_per_day",
			Example: "6",
			Text:    "are sent at most; this is the default",
		},
		{
			Path:    "verify.patience",
			Example: "2m",
			Text: "how long a message is waited for, and a server that\n" +
				"greylists is asked again; this is the default",
		},
		{
			Path: "verify.reports",
			Text: "where DMARC and TLS reports arrive: a Maildir, or a\n" +
				"mailbox by IMAP",
		},
		{
			Path:    "verify.reports.maildir",
			Example: "mail/postmaster",
		},
		{
			Path:    "verify.reports.imap",
			Example: "10.10.10.10:143",
			Off:     true,
		},
		{
			Path:    "verify.reports.user",
			Example: "postmaster",
			Off:     true,
		},
		{
			Path:    "verify.reports.password",
			Example: `"env:REPORTS_PASSWORD"`,
			Off:     true,
		},
		{
			Path: "verify.probe",
			Text: `a vantage outside, see "mailpub help probe"`,
		},
		{
			Path:     "verify.probe.url",
			Example:  "https://probe.example.net:8443",
			Required: true,
		},
		{
			Path:     "verify.probe.token",
			Example:  `"env:MAILPUB_PROBE_TOKEN"`,
			Text:     "a reference",
			Required: true,
		},
		{
			Path:    "verify.probe.fingerprint",
			Example: "3f2a...",
			Text: "of the probe's own certificate, as it prints it; by\n" +
				"default the system decides whom it trusts",
		},
	}
}

// watchFields are the fields of watch.
func watchFields() []Field {
	return []Field{
		{
			Path: "watch",
			Text: `for "mailpub watch"`,
		},
		{
			Path:    "watch.every",
			Example: "15m",
			Text:    "between two checks; this is the default",
		},
		{
			Path:    "watch.cron",
			Example: `"*/15 6-22 * * *"`,
			Text:    "instead of every: minute, hour, day, month, weekday",
			Off:     true,
		},
		{
			Path:    "watch.jitter",
			Example: "90s",
			Text: "random delay of up to this, to spread the load;\n" +
				"by default a tenth of every, with cron none",
		},
		{
			Path:    "watch.repair",
			Example: "[router]",
			Text: "automatic repairs. router: renew leases and restore\n" +
				"its own forwards (the default); address: update DNS\n" +
				"when the public address changes; dns, service:\n" +
				"restore its own settings; []: none",
			Words: []string{"router", "address", "dns", "service"},
		},
		{
			Path:    "watch.address_changes_per_hour",
			Example: "4",
			Text:    "more are not followed; this is the default",
		},
		{
			Path:    "watch.address_confirm",
			Example: "30s",
			Text: "how long a new address must last if only one source\n" +
				"reports it; this is the default",
		},
		{
			Path: "watch.notify",
			Text: "channels for notices; try: mailpub watch --test-notice",
		},
		{
			Path:    "watch.notify.url",
			Example: `"env:MAILPUB_NOTIFY"`,
			Text: "a reference to a shoutrrr URL: mail, Slack, Telegram,\n" +
				"Discord, Gotify, ntfy and others",
			Item: true,
		},
		{
			Path:    "watch.notify.webhook",
			Example: "https://example.org/hook",
			Text:    "gets JSON, by POST",
			Item:    true,
		},
		{
			Path:    "watch.notify.secret",
			Example: `"env:MAILPUB_HOOK"`,
			Text:    "a reference: signs it (docs/watch.md)",
		},
		{
			Path:    "watch.notify.exec",
			Example: "[/usr/local/bin/tell, arg]",
			Text:    "gets the same on standard input",
			Item:    true,
		},
	}
}

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
			Text: "try three logins that anybody guesses (account.weak); a\n" +
				"server may take that for an attack, so not by default",
		},
		{
			Path: "verify.mailbox",
			Text: "to find the test message in, as its reader does",
		},
		{
			Path:    "verify.mailbox.imap",
			Example: "10.10.10.10:143",
			Text:    "or pop3: 10.10.10.10:110, or both",
		},
		{
			Path:     "verify.mailbox.user",
			Example:  "mario",
			Text:     "who gets the postmaster's mail",
			Required: true,
		},
		{
			Path:     "verify.mailbox.password",
			Example:  `"env:MARIO_PASSWORD"`,
			Text:     "a reference",
			Required: true,
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
			Text: `what "mailpub watch" does, see there`,
		},
		{
			Path:    "watch.every",
			Example: "15m",
			Text:    "between two looks; this is the default",
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
			Text: "at most so much later, that many do not come at once;\n" +
				"by default a tenth of every, with cron none",
		},
		{
			Path:    "watch.repair",
			Example: "[router]",
			Text: "what it mends by itself. router: renews leases and puts\n" +
				"its own forwards back (the default); address: DNS\n" +
				"follows the public address; dns, service: puts back\n" +
				"what it had written; []: nothing",
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
			Text: "how long a new address must stay where one source alone\n" +
				"tells it; this is the default",
		},
		{
			Path: "watch.notify",
			Text: "whom it tells; try it with mailpub watch --test-notice",
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

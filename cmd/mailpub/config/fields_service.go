package config

// serviceFields are the fields of service.
func serviceFields() []Field {
	return []Field{
		{
			Path: "service",
		},
		{
			Path:    "service.type",
			Example: "receiver",
			Text: "the bundled one; postfix: mailpub sets it up; mdaemon,\n" +
				"exim, opensmtpd, mox, maddy: mailpub looks, and says\n" +
				"where a person sets what; manual: any other",
			Words: serverTypeNames(),
		},
		{
			Path: "service.aliases",
			Text: "postmaster and abuse are always there",
		},
		{
			Path:    "service.aliases",
			Example: "- {address: postmaster, to: mario}",
			Text:    "in every domain, and alone",
			Item:    true,
			More:    true,
		},
		{
			Path:     "service.aliases.address",
			Example:  "postmaster",
			Text:     "in every domain, and alone",
			Required: true,
			Inline:   true,
		},
		{
			Path:     "service.aliases.to",
			Example:  "mario",
			Text:     "in every domain, and alone",
			Required: true,
			Inline:   true,
		},
		{
			Path:    "service.aliases",
			Example: "- {address: info@nomeazienda.it, to: lucia}",
			Item:    true,
			More:    true,
		},
		{
			Path: "service.delivery",
		},
		{
			Path:    "service.delivery.mode",
			Example: "direct",
			Text: "fallback: directly, and where that fails through the\n" +
				"smart host; smart_host: all through it",
			Words: []string{DeliverDirect, DeliverElse, DeliverSmartHost},
		},
		{
			Path:    "service.delivery.smart_host",
			Example: "smtp.example.net:587",
		},
		{
			Path:    "service.delivery.spf",
			Example: "[_spf.example.net]",
			Text: "domains whose SPF records list the smart host; the site's\n" +
				"SPF records then include them",
		},
		{
			Path:    "service.networks",
			Example: "[192.168.1.50/32]",
			Text: "that may send without a password, in addition to the\n" +
				"server server server server server server server itself; by default none",
		},
		{
			Path:    "service.backup_for",
			Example: "[example.org]",
			Text:    "domains of others that it is a backup MX of",
		},
		{
			Path:    "service.collectors",
			Example: "[{host: pop.example.net}]",
			Text:    "that it fetches mail from",
		},
		{
			Path:     "service.collectors.host",
			Example:  "pop.example.net",
			Text:     "that it fetches mail from",
			Required: true,
			Inline:   true,
		},
		{
			Path:    "service.confirmed",
			Example: "[passwords]",
			Text: "needs that you confirm because no program can see them;\n" +
				"valid for a year, or until a new version of the server",
			Words: Confirmable(),
		},
		{
			Path: "service.settings",
			Text: "of the type; these are the defaults of postfix:",
		},
		{
			Path:    "service.settings.config_directory",
			Example: "/etc/postfix",
		},
		{
			Path:    "service.settings.dovecot",
			Example: "/etc/dovecot/dovecot.conf",
		},
		{
			Path:    "service.settings.pam",
			Example: "/etc/pam.d/common-password",
			Text:    "\nand those of mdaemon, without which only SMTP tells:",
		},
		{
			Path:    "service.settings.url",
			Example: "https://127.0.0.1:444/MdMgmtWS/",
			Off:     true,
		},
		{
			Path:    "service.settings.user",
			Example: "admin@nomeazienda.it",
			Text:    "a global administrator",
			Off:     true,
		},
		{
			Path:    "service.settings.password",
			Example: `"env:MDAEMON_PASSWORD"`,
			Off:     true,
		},
		{
			Path:    "service.settings.app",
			Example: `C:\MDaemon\App`,
			Text:    "its folder, where mailpub runs on the same machine",
			Off:     true,
		},
		{
			Path:    "service.settings.docs",
			Example: `C:\MDaemon\Docs`,
			Text:    "the vendor's help; by default next to app",
			Off:     true,
		},
		{
			Path:    "service.settings.dialect",
			Example: "mdaemon-26.yaml",
			Text:    "the file written by \"mailpub mdaemon learn\"",
			Off:     true,
		},
		{
			Path:    "service.settings.fingerprint",
			Example: "9f86d0...",
			Text:    "SHA-256 of its certificate; or ca_file, or neither",
			Off:     true,
		},
		{
			Path:    "service.maildir",
			Example: "mail",
			Text: "where mailboxes are: mail/MAILBOX/new; where the\n" +
				"receiver keeps them, by default mail",
		},
		{
			Path: "service.tls",
			Text: "for STARTTLS; by default none",
		},
		{
			Path:    "service.tls.certificate",
			Example: "fullchain.pem",
			Text: "a PEM file, read again when it changes; or acme: made and\n" +
				"renewed by DNS-01, in the zone of the hostname",
		},
		{
			Path:    "service.tls.key",
			Example: "privkey.pem",
			Text:    "with a file",
		},
		{
			Path:    "service.tls.minimum",
			Example: `"1.2"`,
			Text:    "lowest version of TLS: 1.0 to 1.3; by default 1.2",
		},
		{
			Path:    "service.tls.email",
			Example: "mario@nomeazienda.it",
			Text:    "with acme: contact address of the account",
		},
		{
			Path:    "service.tls.directory",
			Example: "https://acme.example.org/directory",
			Text:    "not Let's Encrypt",
		},
		{
			Path:    "service.tls.roots",
			Example: "roots.pem",
			Text:    "CA certificates for the directory; by default the system's",
		},
		{
			Path: "service.limits",
			Text: "of the receiver; these are the defaults",
		},
		{
			Path:    "service.limits.size",
			Example: "50M",
			Text:    "of a message: octets, or with K, M, G",
		},
		{
			Path:    "service.limits.recipients",
			Example: "1000",
			Text:    "of a message",
		},
		{
			Path:    "service.limits.connections",
			Example: "200",
			Text:    "at the same time",
		},
		{
			Path:    "service.limits.per_address",
			Example: "50",
			Text:    "of these, from one address outside the own network",
		},
		{
			Path:    "service.limits.rate",
			Example: "300",
			Text:    "connections and messages a minute from such an address",
		},
		{
			Path:    "service.journal",
			Example: "journal.jsonl",
			Text:    "a line of JSON for each message and refusal; by default none",
		},
		{
			Path:    "service.metrics",
			Example: "127.0.0.1:9025",
			Text:    "for Prometheus, at /metrics; by default none",
		},
		{
			Path:    "service.user",
			Example: "mailpub",
			Text:    "account to switch to after the ports are bound",
		},
		{
			Path:    "service.sender_checks",
			Example: "true",
			Text: "the default: SPF, DKIM and DMARC are said on top of\n" +
				"each message (Authentication-Results)",
		},
		{
			Path:    "service.listen",
			Example: "10.10.10.10:25",
			Text: "of the receiver; by default server.address and the\n" +
				"port of smtp",
		},
	}
}

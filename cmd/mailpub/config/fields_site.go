package config

import (
	"maps"
	"slices"
)

// siteFields are the fields of the top of the file.
func siteFields() []Field {
	return []Field{
		{
			Path:     "site",
			Example:  "nomeazienda",
			Text:     "names the ledger; small letters, digits, hyphens",
			Required: true,
		},
		{
			Path:    "defaults",
			Example: "../defaults.yaml",
			Text: "base file: its sections are merged with this file, its\n" +
				"lists replaced. For sites with common settings",
		},
		{
			Path:    "state",
			Example: ".mailpub",
			Text:    "directory of the ledger (this is the default)",
		},
		{
			Path:    "language",
			Example: "it",
			Text: "en or it: of requests, reports, notices and the page\n" +
				"(default: the system's, LC_MESSAGES or LANG)",
		},
	}
}

// serverFields are the fields of server.
func serverFields() []Field {
	return []Field{
		{
			Path:     "server",
			Required: true,
		},
		{
			Path:     "server.hostname",
			Example:  "mail.nomeazienda.it",
			Text:     "MX target, PTR, banner",
			Required: true,
		},
		{
			Path:     "server.address",
			Example:  "10.10.10.10",
			Text:     "of the mail server on the LAN",
			Required: true,
		},
		{
			Path: "server.public",
		},
		{
			Path:    "server.public.ipv4",
			Example: "auto",
			Text:    "auto asks the router, and echo; or the address, or none",
		},
		{
			Path:    "server.public.ipv6",
			Example: "none",
			Text: "or the address, which is the server's own; auto finds\n" +
				"it where mailpub runs on the server",
		},
		{
			Path:    "server.public.also",
			Example: "[198.51.100.7]",
			Text: "further public addresses of the server, as of a second\n" +
				"line; mailpub publishes them, but you set their forwards",
		},
		{
			Path:    "server.public.echo",
			Example: "[opendns, google]",
			Text: "DNS services that report the public address, to\n" +
				"compare with; also cloudflare, or a question and its\n" +
				`server: "myip.example.org A 192.0.2.53". By default` + "\n" +
				"none is asked",
		},
		{
			Path:    "server.ttl",
			Example: "5m",
			Text:    "TTL of the mail host's records; by default as in zones",
		},
		{
			Path:    "server.caa",
			Example: "[letsencrypt.org]",
			Text:    "CAs that may issue its certificates; by default no CAA",
		},
		{
			Path: "server.dane",
			Text: "TLSA records, in a zone that is signed (DNSSEC)",
		},
		{
			Path:    "server.dane.certificate",
			Example: "served",
			Text:    "ask the server by STARTTLS; or a PEM file",
		},
		{
			Path:    "server.dane.next",
			Example: "next.pem",
			Text:    "certificate or key that comes into use next",
		},
		{
			Path:    "server.dane.ports",
			Example: "[25]",
			Text:    "the default",
		},
		{
			Path:    "server.dane.ttl",
			Example: "1h",
			Text:    "by default server.ttl",
		},
	}
}

// domainFields are the fields of domains.
func domainFields() []Field {
	return []Field{
		{
			Path:     "domains",
			Text:     "mail domains, one or more",
			Required: true,
		},
		{
			Path:     "domains.name",
			Example:  "nomeazienda.it",
			Required: true,
			Item:     true,
		},
		{
			Path:    "domains.mx",
			Example: "[{host: mail.nomeazienda.it, preference: 10}]",
			Text: "the default; [] where others take its mail: then\n" +
				"no MX is published, and SPF does not name it",
		},
		{
			Path:     "domains.mx.host",
			Example:  "mail.nomeazienda.it",
			Text:     "the default",
			Required: true,
			Inline:   true,
		},
		{
			Path:    "domains.mx.preference",
			Example: "10",
			Text:    "the default",
			Inline:  true,
		},
		{
			Path:    "domains.spf",
			Example: "{include: [_spf.example.net], all: fail}",
			Text: "others that send for it; all is\n" +
				"fail, softfail or neutral, by default what is there\n" +
				"already, else fail",
		},
		{
			Path:    "domains.spf.include",
			Example: "[_spf.example.net]",
			Text: "others that send for it; all is\n" +
				"fail, softfail or neutral, by default what is there\n" +
				"already, else fail",
			Inline: true,
		},
		{
			Path:    "domains.spf.all",
			Example: "fail",
			Text: "others that send for it; all is\n" +
				"fail, softfail or neutral, by default what is there\n" +
				"already, else fail",
			Words:  []string{"fail", "softfail", "neutral"},
			Inline: true,
		},
		{
			Path:    "domains.ttl",
			Example: "1h",
			Text: "TTL of the domain's records; by default as in zones. SPF\n" +
				"shares its set with others' texts and keeps theirs",
		},
		{
			Path: "domains.dkim",
			Text: "keys that its mail is signed with; apply makes them",
		},
		{
			Path:     "domains.dkim.selector",
			Example:  "m1",
			Required: true,
			Item:     true,
		},
		{
			Path:    "domains.dkim.algorithm",
			Example: "rsa",
			Text:    "the default, 2048 bits; or ed25519",
			Words:   []string{"rsa", "ed25519"},
		},
		{
			Path:    "domains.dkim.file",
			Example: "dkim.pem",
			Text:    "by default .mailpub/dkim/DOMAIN.SELECTOR.pem",
		},
		{
			Path:    "domains.dkim.key",
			Example: `"env:DKIM_KEY"`,
			Text: "instead of a file: a reference to the key's PEM text,\n" +
				"which apply never makes",
			Off: true,
		},
		{
			Path:    "domains.dkim.ttl",
			Example: "1h",
			Text:    "by default the domain's",
		},
		{
			Path: "domains.dmarc",
		},
		{
			Path:     "domains.dmarc.policy",
			Example:  "none",
			Text:     "or quarantine, reject; by default no record",
			Words:    []string{"none", "quarantine", "reject"},
			Required: true,
		},
		{
			Path:    "domains.dmarc.rua",
			Example: "[reports@nomeazienda.it]",
			Text:    "where reports go",
		},
		{
			Path:    "domains.dmarc.ttl",
			Example: "1h",
			Text:    "by default the domain's",
		},
		{
			Path:    "domains.tlsrpt",
			Example: "[reports@nomeazienda.it]",
			Text:    "where TLS reports go; by default no record",
		},
		{
			Path: "domains.mta_sts",
			Text: "senders deliver under TLS or not at all",
		},
		{
			Path:     "domains.mta_sts.mode",
			Example:  "testing",
			Text:     "or enforce, none; by default no policy",
			Words:    []string{"testing", "enforce", "none"},
			Required: true,
		},
		{
			Path:    "domains.mta_sts.max_age",
			Example: "168h",
			Text:    "how long senders keep to it",
		},
		{
			Path:    "domains.mta_sts.mx",
			Example: `["*.example.net"]`,
			Text:    "allowed in addition to the domain's own MX",
		},
		{
			Path:    "domains.mta_sts.host",
			Example: "mail.nomeazienda.it",
			Text: "serves the policy; the hostname by default, none:\n" +
				"the name mta-sts.nomeazienda.it is not mailpub's",
		},
		{
			Path:    "domains.mta_sts.ttl",
			Example: "1h",
			Text:    "by default the domain's",
		},
		{
			Path:    "domains.autoconfig",
			Example: "mail.nomeazienda.it",
			Text:    "host that tells mail programs their settings",
		},
		{
			Path: "domains.services",
			Text: "that mail programs find by themselves (SRV)",
		},
		{
			Path:     "domains.services.name",
			Example:  "imaps",
			Text:     "or imap, pop3s, pop3, submissions, submission",
			Words:    slices.Sorted(maps.Keys(servicePorts())),
			Required: true,
			Item:     true,
		},
		{
			Path:    "domains.services.host",
			Example: "mail.nomeazienda.it",
			Text:    `the hostname by default; ".": the service is not offered`,
		},
		{
			Path:    "domains.services.port",
			Example: "993",
			Text:    "the service's own by default",
		},
		{
			Path:    "domains.services.ttl",
			Example: "1h",
			Text:    "by default the domain's",
		},
		{
			Path:    "nomail",
			Example: "[www.nomeazienda.it]",
			Text: "names that neither send nor receive mail: null MX,\n" +
				"and an SPF record that permits no sender",
		},
	}
}

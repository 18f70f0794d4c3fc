package config

// zoneFields are the fields of zones.
func zoneFields() []Field {
	return []Field{
		{
			Path:     "zones",
			Text:     "DNS zones that hold these names, the longest wins",
			Required: true,
		},
		{
			Path:     "zones.name",
			Example:  "nomeazienda.it",
			Required: true,
			Item:     true,
		},
		{
			Path:     "zones.provider",
			Example:  "rfc2136",
			Text:     `"mailpub providers" lists them; manual: a person`,
			Words:    providerNames(),
			Required: true,
		},
		{
			Path:    "zones.ttl",
			Example: "1h",
			Text:    "of new records; 1s to 168h",
		},
		{
			Path:    "zones.nameservers",
			Example: `["192.0.2.53:53"]`,
			Text:    "to verify at, where not those that NS records name",
		},
		{
			Path: "zones.settings",
			Text: `"mailpub providers NAME" lists them`,
		},
		{
			Path:    "zones.settings.server",
			Example: `"192.0.2.53:53"`,
		},
		{
			Path:    "zones.settings.key_name",
			Example: "mailpub.",
		},
		{
			Path:    "zones.settings.key",
			Example: `"env:MAILPUB_TSIG_KEY"`,
			Text: "secrets are references: env:NAME, file:PATH,\n" +
				"exec:COMMAND, credential:NAME (systemd); for a site\n" +
				"of a fleet secret:NAME",
			Note: "The PTR of a public address goes into the reverse zone that is listed here, say\n" +
				"2.2.2.in-addr.arpa. Without that zone, plan prints a request for the provider.",
		},
	}
}

// routerFields are the fields of router.
func routerFields() []Field {
	return []Field{
		{
			Path: "router",
		},
		{
			Path:    "router.protocol",
			Example: "auto",
			Text: "upnp, pcp, nat-pmp; nftables: mailpub runs on the\n" +
				"router, which is Linux; manual: a person; none: the\n" +
				"server has the public address itself",
			Words: []string{"auto", "upnp", "pcp", "nat-pmp", "nftables", "manual", "none"},
		},
		{
			Path:    "router.interface",
			Example: "eth0",
			Text: "where several routers answer: the one behind this;\n" +
				"with nftables the router's own outside",
		},
		{
			Path:    "router.url",
			Example: "http://192.168.1.1:5000/rootDesc.xml",
			Text:    "or with this UPnP description",
		},
		{
			Path:    "router.gateway",
			Example: "192.168.1.1",
			Text:    "for pcp and nat-pmp: not the default gateway",
		},
		{
			Path:    "router.behind_nat",
			Example: "false",
			Text: "true: the router is behind another one, which forwards the\n" +
				"same ports to it; else apply stops before MX there",
		},
		{
			Path:    "router.ipv6",
			Example: "pinholes",
			Text: "opened for each forward, by pcp, or by upnp from port\n" +
				"1024; the AAAA record waits for all of them. open: IPv6\n" +
				"reaches the server anyway, or is opened manually",
			Words: []string{"pinholes", "open"},
		},
		{
			Path:    "router.gateway6",
			Example: "fe80::1%eth0",
			Text:    "for pinholes by pcp: not the default gateway of IPv6",
		},
		{
			Path:    "router.lease",
			Example: "168h",
			Text:    "to ask for; apply renews what is half gone",
		},
		{
			Path:    "router.timeout",
			Example: "5s",
			Text: "for a request that reads; a slow router needs more, and gets\n" +
				"three times as long to write",
		},
		{
			Path: "router.forwards",
		},
		{
			Path:     "router.forwards.name",
			Example:  "smtp",
			Required: true,
			Item:     true,
		},
		{
			Path:     "router.forwards.port",
			Example:  "25",
			Text:     "outside",
			Required: true,
		},
		{
			Path:    "router.forwards.internal",
			Example: "25",
			Text:    "at server.address; by default the same",
		},
		{
			Path:    "router.forwards.proto",
			Example: "tcp",
			Text:    "or udp",
			Words:   []string{"tcp", "udp"},
		},
	}
}

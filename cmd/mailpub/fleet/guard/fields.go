package guard

// kind says what the values of a field are, and so what a tenant may write there.
type kind int

const (
	unknown   kind = iota // not classified: refused
	section               // fields stand in it; it has no value itself
	text                  // a number, a word of the config's own list, or text that nothing follows
	dnsName               // a name in DNS that is asked about, never connected to
	host                  // a host, or host:port, that is connected to
	webURL                // a URL that is connected to
	address               // an IP address that is connected to
	reference             // names a secret
	localFile             // a file or a directory of the machine
	program               // a program and its arguments
	local                 // only makes sense on the machine of the mail server or in its network
	operator              // allowed to the operator alone, with a reason in reasons
	special               // has a rule of its own in rules
)

// fields classify every field of the config. A field that is missing here is refused, and a test fails.
func fields() map[string]kind {
	return map[string]kind{
		"site":     text,
		"defaults": text, // the caller has the text: nothing is opened
		"state":    localFile,
		"language": text,

		"server":                  section,
		"server.hostname":         dnsName,
		"server.address":          address,
		"server.public":           section,
		"server.public.ipv4":      special,
		"server.public.ipv6":      special,
		"server.public.also":      address,
		"server.public.echo":      operator,
		"server.caa":              text,
		"server.ttl":              text,
		"server.dane":             section,
		"server.dane.certificate": special,
		"server.dane.next":        localFile,
		"server.dane.ports":       text,
		"server.dane.ttl":         text,

		"domains":                 section,
		"domains.name":            dnsName,
		"domains.mx":              section,
		"domains.mx.host":         dnsName,
		"domains.mx.preference":   text,
		"domains.spf":             section,
		"domains.spf.include":     dnsName,
		"domains.spf.all":         text,
		"domains.dkim":            section,
		"domains.dkim.selector":   text,
		"domains.dkim.algorithm":  text,
		"domains.dkim.file":       localFile,
		"domains.dkim.key":        special,
		"domains.dkim.ttl":        text,
		"domains.dmarc":           section,
		"domains.dmarc.policy":    text,
		"domains.dmarc.rua":       text,
		"domains.dmarc.ttl":       text,
		"domains.mta_sts":         section,
		"domains.mta_sts.mode":    text,
		"domains.mta_sts.max_age": text,
		"domains.mta_sts.mx":      dnsName,
		"domains.mta_sts.host":    dnsName,
		"domains.mta_sts.ttl":     text,
		"domains.tlsrpt":          text,
		"domains.services":        section,
		"domains.services.name":   text,
		"domains.services.host":   dnsName,
		"domains.services.port":   text,
		"domains.services.ttl":    text,
		"domains.autoconfig":      dnsName,
		"domains.ttl":             text,
		"nomail":                  dnsName,

		"zones":             section,
		"zones.name":        dnsName,
		"zones.provider":    text,
		"zones.ttl":         text,
		"zones.nameservers": host,
		"zones.settings":    special, // by the provider: see settingKinds

		"router":                   section,
		"router.protocol":          special,
		"router.interface":         local,
		"router.url":               local,
		"router.gateway":           local,
		"router.behind_nat":        text,
		"router.ipv6":              text,
		"router.gateway6":          local,
		"router.lease":             text,
		"router.timeout":           text,
		"router.forwards":          section,
		"router.forwards.name":     text,
		"router.forwards.port":     text,
		"router.forwards.internal": text,
		"router.forwards.proto":    text,

		"service":                     section,
		"service.type":                special,
		"service.aliases":             section,
		"service.aliases.address":     text,
		"service.aliases.to":          text,
		"service.delivery":            section,
		"service.delivery.mode":       text,
		"service.delivery.smart_host": host,
		"service.delivery.spf":        dnsName,
		"service.networks":            text,
		"service.backup_for":          dnsName,
		"service.collectors":          section,
		"service.collectors.host":     host,
		"service.confirmed":           text,
		"service.settings":            special, // by the type: see settingKinds
		"service.maildir":             localFile,
		"service.listen":              local,
		"service.tls":                 section,
		"service.tls.certificate":     local,
		"service.tls.key":             localFile,
		"service.tls.email":           local,
		"service.tls.directory":       local,
		"service.tls.roots":           localFile,
		"service.tls.minimum":         local,
		"service.limits":              section,
		"service.limits.size":         local,
		"service.limits.recipients":   local,
		"service.limits.connections":  local,
		"service.limits.per_address":  local,
		"service.limits.rate":         local,
		"service.journal":             localFile,
		"service.metrics":             local,
		"service.user":                local,
		"service.sender_checks":       text,

		"verify":                               section,
		"verify.resolvers":                     host,
		"verify.egress":                        host,
		"verify.hosts":                         localFile,
		"verify.dnsbl":                         dnsName,
		"verify.accounts":                      operator,
		"verify.probe":                         section,
		"verify.probe.url":                     webURL,
		"verify.probe.token":                   reference,
		"verify.probe.fingerprint":             text,
		"verify.mailbox":                       section,
		"verify.mailbox.imap":                  host,
		"verify.mailbox.pop3":                  host,
		"verify.mailbox.user":                  text,
		"verify.mailbox.password":              reference,
		"verify.mailboxes":                     section,
		"verify.mailboxes.address":             text,
		"verify.mailboxes.provider":            text,
		"verify.mailboxes.submission":          host,
		"verify.mailboxes.imap":                host,
		"verify.mailboxes.user":                text,
		"verify.mailboxes.password":            reference,
		"verify.mailboxes.ca_file":             localFile,
		"verify.mailboxes.oauth":               section,
		"verify.mailboxes.oauth.client_id":     text,
		"verify.mailboxes.oauth.client_secret": reference,
		"verify.mailboxes.oauth.refresh_token": reference,
		"verify.mailboxes.oauth.token_url":     webURL,
		"verify.recipient":                     text,
		"verify.outbound":                      section,
		"verify.outbound.submission":           host,
		"verify.outbound.user":                 text,
		"verify.outbound.password":             reference,
		"verify.outbound.from":                 text,
		"verify.messages_per_day":              text,
		"verify.patience":                      text,
		"verify.reports":                       section,
		"verify.reports.maildir":               localFile,
		"verify.reports.imap":                  host,
		"verify.reports.user":                  text,
		"verify.reports.password":              reference,

		"watch":                          section,
		"watch.every":                    text,
		"watch.cron":                     text,
		"watch.jitter":                   text,
		"watch.repair":                   text,
		"watch.address_changes_per_hour": text,
		"watch.address_confirm":          text,
		"watch.notify":                   section,
		"watch.notify.url":               reference,
		"watch.notify.webhook":           webURL,
		"watch.notify.secret":            reference,
		"watch.notify.exec":              program,

		"ignore":         section,
		"ignore.check":   text,
		"ignore.subject": text,
		"ignore.until":   text,
		"ignore.why":     text,
	}
}

// reasons say why a field is the operator's.
func reasons() map[string]string {
	return map[string]string{
		"server.public.echo": "the services would report the address of the fleet's worker, not of the site",
		"verify.accounts":    "guessing logins from the fleet's address could be taken for an attack",
	}
}

// settingKinds classify the settings of DNS providers and mail servers that hold no secret, by "PROVIDER.NAME".
// Those with a secret are references. A setting that is missing here is refused, and a test fails.
func settingKinds() map[string]kind {
	return map[string]kind{
		"rfc2136.server":        host,
		"rfc2136.key_name":      dnsName,
		"rfc2136.key_alg":       text,
		"powerdns.url":          webURL,
		"powerdns.server_id":    text,
		"he.server":             host,
		"inwx.user":             text,
		"ovh.endpoint":          text, // a word of the driver's list
		"ovh.application_key":   text,
		"route53.access_key_id": text,
		"route53.zone_id":       text,

		"postfix.config_directory": localFile,
		"postfix.dovecot":          localFile,
		"postfix.pam":              localFile,
		"mdaemon.url":              webURL,
		"mdaemon.user":             text,
		"mdaemon.ca_file":          localFile,
		"mdaemon.app":              localFile,
		"mdaemon.docs":             localFile,
		"mdaemon.dialect":          localFile,
		"mdaemon.fingerprint":      text,
	}
}

// serverTypes are the mail servers that a worker only talks to over the network.
func serverTypes() []string {
	return []string{"manual", "mdaemon", "opensmtpd", "mox",
		"maddy"}
}

package guard

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
)

// good is a tenant's config with nothing to refuse. The lines in braces are replaced by hostile ones.
const good = `site: customer
server:
  hostname: mail.customer.example
  address: 2.2.2.2
  public: {ipv4: 2.2.2.2}
domains:
  - name: customer.example
    dkim: [{selector: m1, key: "secret:dkim-key"}]
zones:
  - name: customer.example
    provider: rfc2136
    settings: {server: "3.3.3.3:53", key_name: customer., key: "secret:tsig"}
router: {protocol: none}
service: {type: manual}
verify:
  resolvers: [9.9.9.9]
  probe: {url: "https://probe.customer.example:8443", token: "secret:probe"}
watch:
  notify: [{webhook: "https://hook.customer.example/in", secret: "secret:hook"}]
`

func TestGood(t *testing.T) {
	c, err := Parse("customer.yaml", []byte(good), nil, Rules{})
	if err != nil {
		t.Fatal(err)
	}

	if c.Site != "customer" {
		t.Error(c.Site)
	}

	inside := strings.ReplaceAll(good, "address: 2.2.2.2\n", "address: 10.20.0.9\n")
	if _, err := Parse("customer.yaml", []byte(inside), nil, Rules{}); err == nil {
		t.Error("a private address is allowed")
	}

	if _, err := Parse("customer.yaml", []byte(inside), nil,
		Rules{Allow: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}}); err != nil {
		t.Errorf("the operator's range: %v", err)
	}

	over := "defaults: shared.yaml\n" + strings.Replace(good, "service: {type: manual}\n",
		"", 1)

	if _, err := Parse("customer.yaml", []byte(over), []byte("service: {type: manual}\n"),
		Rules{}); err != nil {
		t.Errorf("over defaults: %v", err)
	}

	_, err = Parse("customer.yaml", []byte(over),
		[]byte("service: {type: manual}\nwatch:\n  notify: [{exec: [/bin/x]}]\n"), Rules{})

	if err != nil && strings.Contains(err.Error(), "exec") {
		t.Errorf("the customer's list takes the place of the defaults': %v", err)
	}

	if _, err = Parse("customer.yaml", []byte(over), []byte("service: {type: receiver}\n"),
		Rules{}); err == nil ||
		!strings.Contains(err.Error(), "service.type") {
		t.Errorf("hostile defaults: %v", err)
	}
}

// hostile is a config that reaches for the fleet's own machine: what stands in the place of a part of good,
// and the field that must be named.
type hostile struct{ name, old, new, field string }

func (tr *trap) references() (all []hostile) {
	refs := map[string]string{
		"env":        "env:MAILPUB_CANARY",
		"file":       "file:" + tr.file,
		"exec":       "exec:" + tr.program,
		"credential": "credential:canary",
	}

	const probe = `  probe: {url: "https://probe.customer.example:8443", token: "secret:probe"}`
	for kind, ref := range refs {
		add := func(name, old, text, field string) {
			all = append(all, hostile{kind + " in " + name, old,
				strings.ReplaceAll(text, "REF", ref), field})
		}

		add("a zone", `"secret:tsig"`, `"REF"`, "zones[0].settings.key")
		add("the probe", `"secret:probe"`, `"REF"`, "verify.probe.token")
		add("a webhook", `"secret:hook"`, `"REF"`, "watch.notify[0].secret")
		add("a service for notices", `{webhook: "https://hook.customer.example/in", secret: "secret:hook"}`,
			`{url: "REF"}`, "watch.notify[0].url")

		add("a DKIM key", `"secret:dkim-key"`, `"REF"`, "domains[0].dkim[0].key")
		add("a mailbox", probe, `  mailbox: {imap: "2.2.2.2:143", user: mario, password: "REF"}`,
			"verify.mailbox.password")

		add("a mailbox elsewhere", probe, `  mailboxes: [{address: a@other.example, provider: gmx, password: "REF"}]`,
			"verify.mailboxes[0].password")

		add("an OAuth token", probe, `  mailboxes: [{address: a@other.example, provider: google, oauth: {client_id: x, refresh_token: "REF"}}]`,
			"verify.mailboxes[0].oauth.refresh_token")

		add("an OAuth secret", probe, `  mailboxes: [{address: a@other.example, provider: google, oauth: {client_id: x, client_secret: "REF", refresh_token: "secret:a"}}]`,
			"verify.mailboxes[0].oauth.client_secret")

		add("the submission", probe, `  outbound: {submission: "2.2.2.2:587", user: mario, password: "REF"}`,
			"verify.outbound.password")

		add("the reports", probe, `  reports: {imap: "2.2.2.2:143", user: mario, password: "REF"}`,
			"verify.reports.password")

		add("the mail server", "{type: manual}",
			`{type: mdaemon, settings: {url: "https://mail.customer.example:444/", user: a@customer.example, password: "REF"}}`,
			"service.settings.password")

		add("a field without secrets", "key_name: customer.", `key_name: "REF"`,
			"zones[0].settings.key_name")

		add("another provider", `provider: rfc2136
    settings: {server: "3.3.3.3:53", key_name: customer., key: "secret:tsig"}`,
			`provider: cloudflare
    settings: {token: "REF"}`, "zones[0].settings.token")

		add("the user of a mailbox", probe, `  mailbox: {imap: "2.2.2.2:143", user: "REF", password: "secret:a"}`,
			"verify.mailbox.user")
	}

	return all
}

func (tr *trap) paths() (all []hostile) {
	add := func(name, old, text, field string) {
		all = append(all, hostile{name, old, strings.ReplaceAll(text, "FILE", tr.file), field})
	}

	add("state", "site: customer", "site: customer\nstate: /var/lib/mailpub", "state")
	add("state above", "site: customer", "site: customer\nstate: ../../other", "state")
	add("a DKIM file", `key: "secret:dkim-key"`, "file: FILE", "domains[0].dkim[0].file")
	add("a DKIM key by default", `, key: "secret:dkim-key"`, "", "domains[0].dkim[0].key")
	add("DANE", "  address: 2.2.2.2", "  address: 2.2.2.2\n  dane: {certificate: FILE}",
		"server.dane.certificate")

	add("DANE next", "  address: 2.2.2.2", "  address: 2.2.2.2\n  dane: {certificate: served, next: FILE}",
		"server.dane.next")

	add("a Maildir", "{type: manual}", "{type: manual, maildir: FILE}", "service.maildir")
	add("a journal", "{type: manual}", "{type: manual, journal: FILE}", "service.journal")
	add("the hosts file", "verify:", "verify:\n  hosts: FILE", "verify.hosts")
	add("reports", "verify:", "verify:\n  reports: {maildir: FILE}", "verify.reports.maildir")
	add("CA certificates", "verify:", "verify:\n  mailboxes: [{address: a@other.example, provider: gmx, password: \"secret:a\", ca_file: FILE}]",
		"verify.mailboxes[0].ca_file")

	add("a receiver's certificate", "{type: manual}",
		"{type: receiver, tls: {certificate: FILE, key: FILE}}", "service.tls.key")

	const mdaemon = `{type: mdaemon, settings: {url: "https://mail.customer.example:444/", user: a@customer.example, password: "secret:a", `
	add("MDaemon's certificates", "{type: manual}", mdaemon+"ca_file: FILE}}",
		"service.settings.ca_file")

	add("MDaemon's folder", "{type: manual}", mdaemon+"app: FILE}}", "service.settings.app")
	add("MDaemon's help", "{type: manual}", mdaemon+"docs: FILE}}", "service.settings.docs")
	add("MDaemon's dialect", "{type: manual}", mdaemon+"dialect: FILE}}",
		"service.settings.dialect")

	add("Postfix' directory", "{type: manual}",
		"{type: postfix, settings: {config_directory: FILE}}",
		"service.settings.config_directory")

	add("Dovecot's file", "{type: manual}", "{type: postfix, settings: {dovecot: FILE}}",
		"service.settings.dovecot")

	add("PAM's file", "{type: manual}", "{type: postfix, settings: {pam: FILE}}",
		"service.settings.pam")

	add("defaults", "site: customer", "site: customer\ndefaults: FILE", "defaults")
	add("defaults above", "site: customer", "site: customer\ndefaults: ../../../../etc/passwd",
		"defaults")

	return all
}

func (tr *trap) programs() (all []hostile) {
	add := func(name, old, text, field string) {
		all = append(all, hostile{name, old, strings.ReplaceAll(text, "RUN", tr.program),
			field})
	}

	const hook = `{webhook: "https://hook.customer.example/in", secret: "secret:hook"}`
	add("a program for notices", hook, "{exec: [RUN]}", "watch.notify[0].exec[0]")
	add("a shell for notices", hook, "{exec: [/bin/sh, -c, RUN]}", "watch.notify[0].exec[0]")
	add("a second notice", hook, hook+", {exec: [RUN, x]}", "watch.notify[1].exec[0]")

	for _, server := range []string{"postfix", "receiver", "exim"} {
		add(server, "{type: manual}", "{type: "+server+"}", "service.type")
	}

	for _, protocol := range []string{"auto", "upnp", "pcp", "nat-pmp", "nftables"} {
		text := "{protocol: " + protocol + "}"
		if protocol == "nftables" {
			text = "{protocol: nftables, interface: eth0}"
		}
		add("router "+protocol, "{protocol: none}", text, "router.protocol")
	}

	add("an ACME account", "{type: manual}", "{type: receiver, tls: {certificate: acme}}",
		"service.tls.certificate")

	add("a listener", "{type: manual}", "{type: manual, listen: \"0.0.0.0:25\"}",
		"service.listen")

	add("metrics", "{type: manual}", "{type: manual, metrics: \"127.0.0.1:9025\"}",
		"service.metrics")

	add("an account", "{type: manual}", "{type: manual, user: root}", "service.user")
	add("the address by echo", "{ipv4: 2.2.2.2}", "{ipv4: auto, echo: [opendns]}",
		"server.public.ipv4")

	add("an own echo", "{ipv4: 2.2.2.2}", "{ipv4: 2.2.2.2, echo: [\"myip.customer.example A 127.0.0.1\"]}",
		"server.public.echo[0]")

	add("guessed logins", "verify:", "verify:\n  accounts: true", "verify.accounts")

	return all
}

// addresses lead to the fleet's own machine or network, where something is connected to.
func (tr *trap) addresses() (all []hostile) {
	_, port, _ := strings.Cut(tr.addr, ":")
	for _, at := range []string{"127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1",
		"192.168.1.1",
		"::1", "::ffff:127.0.0.1", "fd00:ec2::254", "64:ff9b::127.0.0.1", "2002:7f00:1::1",
		"fe80::1", "0.0.0.0"} {
		add := func(name, old, text, field string) {
			inPort := at + ":" + port
			inURL := at
			if strings.Contains(at, ":") {
				inPort = "[" + at + "]:" + port
				inURL = "[" + at + "]"
			}

			text = strings.NewReplacer("ADDRPORT", inPort, "ADDRURL", inURL, "ADDR", at,
				"PORT", port).Replace(text)

			all = append(all, hostile{name + " at " + at, old, text, field})
		}

		add("the name server", `"3.3.3.3:53"`, `"ADDRPORT"`, "zones[0].settings.server")
		add("a resolver", "[9.9.9.9]", `["ADDRPORT"]`, "verify.resolvers[0]")
		add("the probe", "https://probe.customer.example:8443", "https://ADDRURL:PORT",
			"verify.probe.url")

		add("a webhook", "https://hook.customer.example/in", "https://ADDRURL:PORT/in",
			"watch.notify[0].webhook")

		add("a mailbox", "verify:", "verify:\n  mailbox: {imap: \"ADDRPORT\", user: m, password: \"secret:a\"}",
			"verify.mailbox.imap")
	}

	for _, c := range [][3]string{
		{"address: 2.2.2.2", "address: 127.0.0.1", "server.address"},
		{"address: 2.2.2.2", "address: 10.10.10.10", "server.address"},
		{"{ipv4: 2.2.2.2}", "{ipv4: 2.2.2.2, also: [10.0.0.7]}", "server.public.also[0]"},
		{"provider: rfc2136", "provider: rfc2136\n    nameservers: [\"127.0.0.1:53\"]", "zones[0].nameservers[0]"},
		{`"3.3.3.3:53"`, `"localhost:53"`, "zones[0].settings.server"},
		{`"3.3.3.3:53"`, `"127.1:53"`, "zones[0].settings.server"},
		{`"3.3.3.3:53"`, `"ns.localhost:53"`, "zones[0].settings.server"},
		{"https://probe.customer.example:8443", "https://localhost:8443", "verify.probe.url"},
		{"https://probe.customer.example:8443", "https://2130706433:8443", "verify.probe.url"},
		{"https://probe.customer.example:8443", "https://0x7f000001:8443", "verify.probe.url"},
		{"https://probe.customer.example:8443", "https://intranet:8443", "verify.probe.url"},
		{"https://hook.customer.example/in", "http://127.0.0.1/in", "watch.notify[0].webhook"},
		{"https://hook.customer.example/in", "http://localhost/in", "watch.notify[0].webhook"},
		{"https://hook.customer.example/in", "https://user:pw@hook.customer.example/in", "watch.notify[0].webhook"},
		{"verify:", "verify:\n  egress: [\"127.0.0.1:25\"]", "verify.egress[0]"},
		{"verify:", "verify:\n  mailbox: {pop3: \"127.0.0.1:110\", user: m, password: \"secret:a\"}", "verify.mailbox.pop3"},
		{"verify:", "verify:\n  outbound: {submission: \"127.0.0.1:587\", user: m, password: \"secret:a\"}", "verify.outbound.submission"},
		{"verify:", "verify:\n  reports: {imap: \"127.0.0.1:143\", user: m, password: \"secret:a\"}", "verify.reports.imap"},
		{"verify:", "verify:\n  mailboxes: [{address: a@other.example, submission: \"127.0.0.1:465\", imap: \"imap.other.example:993\", password: \"secret:a\"}]", "verify.mailboxes[0].submission"},
		{"verify:", "verify:\n  mailboxes: [{address: a@other.example, submission: \"smtp.other.example:465\", imap: \"127.0.0.1:993\", password: \"secret:a\"}]", "verify.mailboxes[0].imap"},
		{"verify:", "verify:\n  mailboxes: [{address: a@other.example, provider: gmx, oauth: {client_id: x, refresh_token: \"secret:a\", token_url: \"http://127.0.0.1/\"}}]", "verify.mailboxes[0].oauth.token_url"},
		{"{type: manual}", "{type: manual, delivery: {mode: smart_host, smart_host: \"127.0.0.1:25\", spf: [_spf.other.example]}}", "service.delivery.smart_host"},
		{"{type: manual}", "{type: manual, collectors: [{host: 127.0.0.1}]}", "service.collectors[0].host"},
		{"{type: manual}", `{type: mdaemon, settings: {url: "https://127.0.0.1:444/", user: a@customer.example, password: "secret:a"}}`, "service.settings.url"},
		{`provider: rfc2136
    settings: {server: "3.3.3.3:53", key_name: customer., key: "secret:tsig"}`, `provider: powerdns
    settings: {key: "secret:a"}`, "zones[0].settings.url"},
		{`provider: rfc2136
    settings: {server: "3.3.3.3:53", key_name: customer., key: "secret:tsig"}`, `provider: powerdns
    settings: {url: "http://10.0.0.5:8081", key: "secret:a"}`, "zones[0].settings.url"},
		{"{protocol: none}", "{protocol: none, gateway: 192.168.1.1}", "router.gateway"},
		{"{protocol: none}", "{protocol: none, url: \"http://127.0.0.1:80/x\"}", "router.url"},
		{"{protocol: none}", "{protocol: none, interface: eth0}", "router.interface"},
		{"{protocol: none}", "{protocol: none, gateway6: \"fe80::1%eth0\"}", "router.gateway6"},
		{`"secret:tsig"`, `"secret:../other/tsig"`, "zones[0].settings.key"},
		{`"secret:tsig"`, `"secret:Other Tenant"`, "zones[0].settings.key"},
	} {
		all = append(all, hostile{c[1], c[0], c[1], c[2]})
	}

	return all
}

func (tr *trap) texts() (all []hostile) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		n := string(rune('0' + i))
		m := string(rune('1' + i))
		bomb += "a" + m + ": &a" + m + " [*a" + n + ", *a" + n + ", *a" + n + ", *a" + n +
			", *a" + n + ", *a" + n + ", *a" + n + ", *a" + n + ", *a" + n + "]\n"
	}

	add := func(name, old, text, field string) {
		all = append(all, hostile{name, old, text, field})
	}

	add("an alias bomb", "site: customer\n", "site: customer\n"+bomb, "")
	add("an endless alias", "site: customer\n", "site: customer\nloop: &l [*l]\n", "")
	add("a deep text", "site: customer\n", "site: customer\ndeep: "+strings.Repeat("[", 5000)+
		strings.Repeat("]", 5000)+"\n", "")

	add("a huge text", "site: customer\n", "site: customer\n# "+strings.Repeat("x", MaxSize),
		"")

	add("two documents", "site: customer\n", "site: customer\n---\nsite: other\n", "")
	add("an unknown field", "site: customer\n", "site: customer\ninclude: /etc/passwd\n",
		"include")

	for _, name := range []string{"../customer", "a/b", "Customer", "..", "a b", "customer.",
		"-x", `"a\u0000b"`, `"a\nb"`,
		strings.Repeat("x", 32), "ünicode", `""`} {
		add("site "+name, "site: customer\n", "site: "+name+"\n", "site")
	}

	return all
}

// Each of these is refused with its line and field, and nothing of the machine is read, run or dialled.
func TestHostile(t *testing.T) {
	tr := newTrap(t)
	var all []hostile
	for _, group := range []func() []hostile{tr.references, tr.paths, tr.programs,
		tr.addresses, tr.texts} {
		all = append(all, group()...)
	}

	if len(all) < 100 {
		t.Fatalf("only %d hostile configs", len(all))
	}

	t.Logf("%d hostile configs", len(all))

	for _, h := range all {
		if !strings.Contains(good, h.old) {
			t.Fatalf("%s: %q is not in the config", h.name, h.old)
		}

		_, err := Parse("customer.yaml", []byte(strings.Replace(good, h.old, h.new, 1)), nil,
			Rules{})

		var bad config.Errors
		if !errors.As(err, &bad) {
			t.Errorf("%s is not refused: %v", h.name, err)
			continue
		}

		named := h.field == ""
		for _, p := range bad {
			named = named || p.Field == h.field && p.Line > 0 && p.File == "customer.yaml"
			if strings.Contains(p.Text, canary) {
				t.Errorf("%s: %v", h.name, p)
			}
		}

		if !named {
			t.Errorf("%s: %v\nwant one of %s", h.name, err, h.field)
		}

		if s := tr.sprung(); s != "" {
			t.Fatalf("%s: %s", h.name, s)
		}
	}
}

// The names of files are bounded too.
func TestFileNames(t *testing.T) {
	for _, name := range []string{"../x.yaml/..", "x.conf", ".yaml", "-x.yaml", "X.yaml",
		"x.yaml.exe", "x", strings.Repeat("x", 64) + ".yaml", "x\x00.yaml"} {
		if _, err := Parse(name, []byte(good), nil, Rules{}); err == nil {
			t.Errorf("%q is allowed", name)
		}
	}
}

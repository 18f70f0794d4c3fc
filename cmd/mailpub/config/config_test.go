package config

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/mailpub/mailpub/plan/mail"
)

const good = `site: nomeazienda
server:
  hostname: mail.nomeazienda.it
  address: 10.10.10.10
  public: {ipv4: 2.2.2.2}
domains:
  - name: nomeazienda.it
    spf: {include: [_spf.example.net], all: softfail}
zones:
  - name: nomeazienda.it
    provider: rfc2136
    ttl: 10m
    settings: {server: "192.0.2.53:53", key_name: mailpub., key: "env:KEY"}
router:
  protocol: upnp
  forwards:
    - {name: smtp, port: 25, internal: 2525}
    - {name: dns, port: 53, proto: udp}
service:
  aliases: [{address: postmaster, to: mario}]
`

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	c, err := Load(write(t, "mailpub.yaml", good))
	if err != nil {
		t.Fatal(err)
	}

	if c.State != ".mailpub" || c.Server.Public.IPv6 != "none" ||
		c.Service.Type != "receiver" || c.Router.Lease != 168*time.Hour {
		t.Errorf("defaults: %+v", c)
	}

	if m := c.Domains[0].MX; len(m) != 1 || m[0] != (MX{"mail.nomeazienda.it", 10}) {
		t.Errorf("mx %+v", m)
	}

	if z := c.Zones[0]; z.TTL != 10*time.Minute || z.Settings["key"] != "env:KEY" {
		t.Errorf("zone %+v", z)
	}

	if c.SMTPPort() != 2525 {
		t.Errorf("SMTP port %d", c.SMTPPort())
	}

	s := c.PlanSite(netip.Addr{})
	if s.Host != "mail.nomeazienda.it." || len(s.Public) != 1 || s.Forwards[1] != (mail.Forward{
		Name:     "dns",
		Proto:    "udp",
		Port:     53,
		Internal: 53,
	}) {
		t.Errorf("site %+v", s)
	}
}

// The same site in each form gives the same config.
func TestForms(t *testing.T) {
	forms := map[string]string{
		"a.yaml": "site: s\nserver: {hostname: m.x.org, address: 10.0.0.1, public: {ipv4: 2.2.2.2}}\n" +
			"domains: [{name: x.org}]\nzones: [{name: x.org, provider: manual}]\n",
		"a.json": `{"site":"s","server":{"hostname":"m.x.org","address":"10.0.0.1","public":{"ipv4":"2.2.2.2"}},` +
			`"domains":[{"name":"x.org"}],"zones":[{"name":"x.org","provider":"manual"}]}`,
		"a.toml": "site = \"s\"\n[server]\nhostname = \"m.x.org\"\naddress = \"10.0.0.1\"\npublic = {ipv4 = \"2.2.2.2\"}\n" +
			"[[domains]]\nname = \"x.org\"\n[[zones]]\nname = \"x.org\"\nprovider = \"manual\"\n",
	}

	for name, text := range forms {
		c, err := Load(write(t, name, text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}

		if c.Server.Hostname != "m.x.org" || c.Domains[0].Name != "x.org" ||
			c.Zones[0].Provider != "manual" || c.Server.Public.IPv4 != "2.2.2.2" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// A domain's own dots and case do not take its settings away.
func TestNamesStayWhole(t *testing.T) {
	text := strings.ReplaceAll(good, "- name: nomeazienda.it", "- name: NomeAzienda.it")
	c, err := Load(write(t, "a.yaml", text))
	if err != nil {
		t.Fatal(err)
	}

	w, err := c.PlanSite(netip.Addr{}).Desired()
	if err != nil || len(w.Zones["nomeazienda.it."]) != 4 {
		t.Errorf("%v, %v", w.Zones, err)
	}
}

// Every mistake is said, with its line, its field and what was expected.
func TestMistakes(t *testing.T) {
	wrongUser := `20: service.user: "mail:mail" is no user`
	if runtime.GOOS == "windows" {
		wrongUser = "20: service.user: is for Unix"
	}

	for _, c := range []struct {
		name, old, new string
		want           []string // "LINE: FIELD: words"
	}{
		{"unknown key", "  address: 10", "  adress: 10", []string{`4: server.adress: there is no such field; did you mean "address"?`, ""}},
		{"unknown key without a value", "site: nomeazienda", "site: nomeazienda\nroutr:", []string{`2: routr: there is no such field; did you mean "router"?`}},
		{"wrong type", "port: 25,", "port: [25],", []string{"17: router.forwards[0].port: is a list, want a number"}},
		{"a number in quotes", "port: 25,", `port: "25",`, []string{"17: router.forwards[0].port: is text", "want a number"}},
		{"text where a section belongs", "server:\n  hostname: mail.nomeazienda.it\n  address: 10.10.10.10\n  public: {ipv4: 2.2.2.2}", "server: mail",
			[]string{"2: server: want a section of fields"}},
		{"no name", "hostname: mail.nomeazienda.it", "hostname: mail_1", []string{`3: server.hostname: "mail_1" is no name in DNS that a host or mail domain can have`}},
		{"no domain name", "- name: nomeazienda.it\n    spf", "- name: nome..it\n    spf", []string{`7: domains[0].name: "nome..it" is no name in DNS`}},
		{"no zone for a host", "hostname: mail.nomeazienda.it", "hostname: mail.example.org",
			[]string{`3: server.hostname: no zone holds "mail.example.org"`}},
		{"overlapping forwards", "name: dns, port: 53, proto: udp", "name: again, port: 25",
			[]string{`18: router.forwards[1].port: tcp port 25 is forwarded already, by "smtp" on line 17`}},
		{"port out of range", "port: 53", "port: 70000", []string{"18: router.forwards[1].port: is 70000, want a port from 1 to 65535"}},
		{"a private address of a second line", "ipv4: 2.2.2.2", "ipv4: 2.2.2.2, also: [10.0.0.1, 2.2.2.2]",
			[]string{"5: server.public.also[0]: 10.0.0.1 can't be reached", "5: server.public.also[1]: 2.2.2.2 is there twice"}},
		{"private public address", "ipv4: 2.2.2.2", "ipv4: 192.168.1.1", []string{"5: server.public.ipv4: 192.168.1.1 can't be reached from the Internet"}},
		{"unknown provider", "provider: rfc2136", "provider: rfc2163", []string{`11: zones[0].provider: is "rfc2163", did you mean "rfc2136"?`}},
		{"unknown provider setting", "key_name:", "keyname:", []string{"13: zones[0].settings.keyname:", "key_name"}},
		{"the secret itself", `"env:KEY"`, `c2VjcmV0`, []string{"13: zones[0].settings.key: holds the secret itself, want a reference"}},
		{"a time without a unit", "ttl: 10m", "ttl: 600", []string{"12: zones[0].ttl: want a time with its unit"}},
		{"a TTL that the provider does not take", "provider: rfc2136\n    ttl: 10m\n    settings: {server: \"192.0.2.53:53\", key_name: mailpub., key: ",
			"provider: desec\n    ttl: 10m\n    settings: {token: ", []string{"12: zones[0].ttl: is 10m0s, and desec takes none under 1h"}},
		{"a TTL beside the mail host that is too long", "address: 10.10.10.10", "address: 10.10.10.10\n  ttl: 200h", []string{"5: server.ttl: is 200h0m0s, want whole seconds from 1s to 168h"}},
		{"a TTL of nothing beside a key", "spf: {include", "dkim: [{selector: a, ttl: 0s}]\n    spf: {include", []string{"8: domains[0].dkim[0].ttl: is 0s, want whole seconds"}},
		{"a TTL beside a domain that the provider does not take", "spf: {include: [_spf.example.net], all: softfail}\nzones:\n  - name: nomeazienda.it\n    provider: rfc2136\n    ttl: 10m\n    settings: {server: \"192.0.2.53:53\", key_name: mailpub., key: ",
			"ttl: 5m\nzones:\n  - name: nomeazienda.it\n    provider: desec\n    settings: {token: ", []string{"8: domains[0].ttl: is 5m0s, and desec takes none under 1h"}},
		{"DMARC without a policy", "spf: {include", "dmarc: {rua: [a@x.org]}\n    spf: {include", []string{"8: domains[0].dmarc.policy: is missing"}},
		{"DMARC reports to nowhere", "spf: {include", "dmarc: {policy: none, rua: [https://x.org/r]}\n    spf: {include",
			[]string{`8: domains[0].dmarc.rua[0]: "https://x.org/r" is nowhere to send reports`}},
		{"unknown service", "spf: {include", "services: [{name: imapss}]\n    spf: {include",
			[]string{`8: domains[0].services[0].name: is "imapss", did you mean "imaps"?`}},
		{"no mail at a mail domain", "site: nomeazienda", "nomail: [nomeazienda.it]\nsite: nomeazienda", []string{`1: nomail[0]: "nomeazienda.it" does mail`}},
		{"no name of a CA", "address: 10.10.10.10", "address: 10.10.10.10\n  caa: [anyone]", []string{`5: server.caa[0]: "anyone" is no name`}},
		{"a key without a name", "spf: {include", "dkim: [{algorithm: rsa}]\n    spf: {include", []string{"8: domains[0].dkim[0].selector: is missing"}},
		{"a selector that is none", "spf: {include", "dkim: [{selector: Key_}]\n    spf: {include", []string{`8: domains[0].dkim[0].selector: "Key_" is no selector`}},
		{"a selector twice", "spf: {include", "dkim: [{selector: a}, {selector: a}]\n    spf: {include", []string{`8: domains[0].dkim[1].selector: "a" is there twice`}},
		{"an unknown algorithm", "spf: {include", "dkim: [{selector: a, algorithm: rsa2048}]\n    spf: {include", []string{`8: domains[0].dkim[0].algorithm: is "rsa2048"`, "rsa"}},
		{"MTA-STS without a mode", "spf: {include", "mta_sts: {max_age: 1h}\n    spf: {include", []string{"8: domains[0].mta_sts.mode: is missing, want testing, enforce or none"}},
		{"MTA-STS for too long", "spf: {include", "mta_sts: {mode: testing, max_age: 9000h}\n    spf: {include", []string{"8: domains[0].mta_sts.max_age: is 9000h0m0s, want 1m to 8766h"}},
		{"MTA-STS where mail goes elsewhere", "spf: {include", "mx: [{host: mx.example.net, preference: 10}]\n    mta_sts: {mode: testing}\n    spf: {include",
			[]string{"9: domains[0].mta_sts: the mail of nomeazienda.it does not come here"}},
		{"MTA-STS for no host", "spf: {include", "mta_sts: {mode: testing, mx: [\"*\"]}\n    spf: {include", []string{`8: domains[0].mta_sts.mx[0]: "*" is no name`}},
		{"autoconfig at no host", "spf: {include", "autoconfig: nowhere\n    spf: {include", []string{`8: domains[0].autoconfig: "nowhere" is no name`}},
		{"TLSA of nothing", "address: 10.10.10.10", "address: 10.10.10.10\n  dane: {next: a.pem}", []string{"5: server.dane.certificate: is missing"}},
		{"TLSA of no port", "address: 10.10.10.10", "address: 10.10.10.10\n  dane: {certificate: served, ports: [0]}", []string{"5: server.dane.ports[0]: is 0, want a port"}},
		{"an unknown echo", "ipv4: 2.2.2.2", "ipv4: 2.2.2.2, echo: [yahoo]", []string{`5: server.public.echo[0]: "yahoo" is no echo service`}},
		{"a size in words", "aliases:", "limits: {size: huge}\n  aliases:", []string{`20: service.limits.size: is "huge", want octets, or a number with K, M or G`}},
		{"a size of another unit", "aliases:", "limits: {size: 5MK}\n  aliases:", []string{`20: service.limits.size: is "5MK", want octets`}},
		{"a size beyond numbers", "aliases:", "limits: {size: 99999999999G}\n  aliases:", []string{`20: service.limits.size: is "99999999999G", want octets`}},
		{"a size below the least", "aliases:", "limits: {size: 1K}\n  aliases:", []string{`20: service.limits.size: is "1K", want 64K to 4095M`}},
		{"too few recipients", "aliases:", "limits: {recipients: 50}\n  aliases:", []string{`20: service.limits.recipients: is 50, want 100 to 10000: RFC 5321`}},
		{"limits below nothing", "aliases:", "limits: {connections: -1, per_address: -1, rate: -1}\n  aliases:",
			[]string{`20: service.limits.connections: is -1, want 1 to`, `20: service.limits.per_address: is -1`, `20: service.limits.rate: is -1, want 1 to 1000000 a minute`}},
		{"an unknown limit", "aliases:", "limits: {sice: 1M}\n  aliases:", []string{`20: service.limits.sice:`}},
		{"metrics without a port", "aliases:", "metrics: 127.0.0.1\n  aliases:", []string{`20: service.metrics: is "127.0.0.1", want an address and a port`}},
		{"metrics for everybody", "aliases:", "metrics: 0.0.0.0:9025\n  aliases:", []string{`20: service.metrics: "0.0.0.0:9025" would show them to the Internet`}},
		{"metrics outside", "aliases:", "metrics: 2.2.2.2:9025\n  aliases:", []string{`20: service.metrics: "2.2.2.2:9025" would show them`}},
		{"a user and a group", "aliases:", "user: mail:mail\n  aliases:", []string{wrongUser}},
		{"a mailbox without a server", "site: nomeazienda", "verify: {mailbox: {user: mario, password: \"env:P\"}}\nsite: nomeazienda", []string{"1: verify.mailbox: names no server"}},
		{"a mailbox without a port", "site: nomeazienda", "verify: {mailbox: {imap: 10.10.10.10, user: mario, password: \"env:P\"}}\nsite: nomeazienda",
			[]string{`1: verify.mailbox.imap: is "10.10.10.10", want HOST:PORT`}},
		{"a mailbox of nobody", "site: nomeazienda", "verify: {mailbox: {pop3: \"10.10.10.10:110\"}}\nsite: nomeazienda",
			[]string{"1: verify.mailbox.password: is missing", "1: verify.mailbox.user: is missing"}},
		{"a mailbox's password itself", "site: nomeazienda", "verify: {mailbox: {pop3: \"10.10.10.10:110\", user: mario, password: c2VjcmV0}}\nsite: nomeazienda",
			[]string{"1: verify.mailbox.password: holds the secret itself, want a reference"}},
		{"a block list of no name", "site: nomeazienda", "verify: {dnsbl: [a_b]}\nsite: nomeazienda", []string{`1: verify.dnsbl[0]: "a_b" is no name`}},
		{"a certificate without a key", "aliases:", "tls: {certificate: a.pem}\n  aliases:", []string{"20: service.tls.key: is missing"}},
		{"a key without a certificate", "aliases:", "tls: {key: a.pem}\n  aliases:", []string{"20: service.tls.certificate: is missing"}},
		{"acme with a key", "aliases:", "tls: {certificate: acme, key: a.pem}\n  aliases:", []string{"20: service.tls.key: is not wanted"}},
		{"acme at no directory", "aliases:", "tls: {certificate: acme, directory: \"http://a\"}\n  aliases:", []string{`20: service.tls.directory: "http://a" is no directory`}},
		{"files with a directory", "aliases:", "tls: {certificate: a.pem, key: b.pem, email: a@b.c}\n  aliases:", []string{"20: service.tls: email, directory and roots are for"}},
		{"unknown word", "all: softfail", "all: soft", []string{`8: domains[0].spf.all: is "soft"`}},
		{"alias of another domain", "address: postmaster", "address: a@example.org", []string{`20: service.aliases[0].address: "example.org" is not one of the domains`}},
		{"mailbox that climbs", "to: mario", "to: ../mario", []string{`20: service.aliases[0].to: "../mario" is no mailbox`}},
		{"no YAML", "domains:", "domains: [", []string{":"}},
		{"a key twice", "site: nomeazienda", "site: nomeazienda\nsite: b", []string{"2: ", "already"}},
		{"auto without a protocol", "protocol: upnp", "protocol: manual", nil},
		{"empty", good, "", []string{"the file is empty"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("the good config has no %q", c.old)
			}

			path := write(t, "site.yaml", strings.Replace(good, c.old, c.new, 1))
			_, err := Load(path)
			if (err == nil) != (c.want == nil) {
				t.Fatalf("error %v", err)
			}

			for _, w := range c.want {
				if strings.HasPrefix(w, "1") || strings.HasPrefix(w, "2") ||
					len(w) > 1 && w[1] == ':' {
					w = path + ":" + w
				}
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error is\n%v\nwant in it\n%s", err, w)
				}
			}

			if err != nil && strings.Contains(err.Error(), "c2VjcmV0") {
				t.Error("the error holds a secret")
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	text := strings.NewReplacer("address: 10.10.10.10", "address: ten", "port: 25,",
		"port: 0,", "all: softfail", "all: no").Replace(good)

	_, err := Load(write(t, "a.yaml", text))
	problems, ok := err.(Errors)
	if !ok || len(problems) != 3 || problems[0].Line != 4 || problems[1].Line != 8 ||
		problems[2].Line != 17 {
		t.Errorf("got %v", err)
	}
}

func TestLinesOfTOML(t *testing.T) {
	path := write(t, "a.toml", `site = "s"
[server]
hostname = "m.x.org"
address = "ten"
[server.public]
ipv4 = "2.2.2.2"
[[domains]]
name = "x.org"
[[domains]]
name = "y..org"
spf = {include = [], al = "fail"}
[[zones]]
name = "x.org"
provider = "manual"
`)

	_, err := Load(path)
	if err == nil || !strings.Contains(err.Error(),
		path+`:11: domains[1].spf.al: there is no such field; did you mean "all"?`) {
		t.Errorf("got %v", err)
	}
}

func TestSecrets(t *testing.T) {
	path := write(t, "a.yaml", good)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}

	t.Setenv("KEY", "")
	if _, err := c.ResolvedSettings(t.Context(), 0); err == nil ||
		!strings.Contains(err.Error(), path+":13: zones[0].settings.key: env:KEY is empty") {
		t.Errorf("an empty variable: %v", err)
	}

	os.Unsetenv("KEY")
	if _, err := c.ResolvedSettings(t.Context(), 0); err == nil ||
		!strings.Contains(err.Error(), "the environment has no KEY") {
		t.Errorf("no variable: %v", err)
	}

	echo := "exec:echo from command"
	if runtime.GOOS == "windows" { // where a shell alone can do that
		echo = "exec:cmd.exe /c echo from command"
	}

	for ref, want := range map[string]string{"env:KEY": "from env",
		"file:key.txt": "from file", echo: "from command"} {
		t.Setenv("KEY", "from env")
		if err := os.WriteFile(c.Path("key.txt"), []byte("from file\n"), 0o600); err != nil {
			t.Fatal(err)
		}

		c.Zones[0].Settings["key"] = ref
		got, err := c.ResolvedSettings(t.Context(), 0)
		if err != nil || got["key"] != want {
			t.Errorf("%s is %q, %v", ref, got["key"], err)
		}

		if c.Zones[0].Settings["key"] != ref {
			t.Error("the config itself now holds the secret")
		}
	}
}

// A file that an editor or a shell of Windows wrote holds the same secret.
func TestSecretsFromWindows(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{
		"Notepad":               "\xef\xbb\xbfs3cret\r\n",
		"Windows PowerShell":    "\xff\xfes\x003\x00c\x00r\x00e\x00t\x00\r\x00\n\x00",
		"the other way round":   "\xfe\xff\x00s\x003\x00c\x00r\x00e\x00t",
		"PowerShell 7, or Unix": "s3cret\r\n",
		"an odd octet":          "\xff\xfes\x003\x00c\x00r\x00e\x00t\x00!",
	} {
		if err := os.WriteFile(filepath.Join(dir, "key"), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Resolve(t.Context(), "file:key", dir); err != nil || got != "s3cret" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}

	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("\xff\xfe"), 0o600); err != nil {
		t.Fatal(err)
	}

	if got, err := Resolve(t.Context(), "file:key", dir); err == nil {
		t.Errorf("nothing but a mark is %q", got)
	}
}

// A config is read alike with the line ends and the marks of Windows.
func TestLoadFromWindows(t *testing.T) {
	crlf := strings.ReplaceAll(good, "\n", "\r\n")
	var wide []byte
	for _, u := range utf16.Encode([]rune(crlf)) {
		wide = binary.LittleEndian.AppendUint16(wide, u)
	}

	const toml = "site = 'nomeazienda'\r\n[server]\r\nhostname = 'mail.nomeazienda.it'\r\n"
	for name, file := range map[string]string{
		"crlf.yaml": crlf, "bom.yaml": "\xef\xbb\xbf" + crlf,
		"utf16.yaml": "\xff\xfe" + string(wide),
		"bom.toml":   "\xef\xbb\xbf" + toml,
	} {
		c, err := Load(write(t, name, file))
		if strings.HasSuffix(name, ".toml") { // it says too little, and is read all the same
			if err == nil || strings.Contains(err.Error(), "site") ||
				!strings.Contains(err.Error(), "server.address") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}

		if err != nil || c.Site != "nomeazienda" || c.Server.Hostname != "mail.nomeazienda.it" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A domain may send from here while others take its mail; a TTL that is not given is not the zone's.
func TestMailTakenElsewhere(t *testing.T) {
	text := strings.Replace(good, "    spf: {include:", "    mx: []\n    spf: {include:", 1)
	c, err := Load(write(t, "mailpub.yaml", strings.Replace(text, "    ttl: 10m\n", "", 1)))
	if err != nil {
		t.Fatal(err)
	}

	spec := c.PlanSite()
	if d := spec.Domains[0]; d.TakenHere() || len(spec.Inbound()) != 0 {
		t.Errorf("MX of the domain: %+v", d.MX)
	}

	if z := spec.Zones[0]; z.TTL != 3600 || !z.KeepTTL {
		t.Errorf("zone %+v", z)
	}

	desired, err := spec.Desired()
	if err != nil {
		t.Fatal(err)
	}

	for _, it := range desired.Zones["nomeazienda.it."] {
		if strings.HasSuffix(it.Key.Name, " MX") {
			t.Errorf("%v is wanted", it.Key)
		}
		if it.Key.Name == "nomeazienda.it. TXT v=spf1" &&
			strings.Contains(it.Lines[0], " mx ") {
			t.Errorf("others' hosts may send: %s", it.Lines[0])
		}
	}

	for _, it := range desired.Service {
		if strings.Contains(it.Key.Name, "domain nomeazienda.it") ||
			strings.Contains(it.Key.Name, "@nomeazienda.it") {
			t.Errorf("%v is wanted of the server", it.Key)
		}
	}
}

// A name that DNS can't have is a mistake of the config, not of apply.
func TestSelectorTooLong(t *testing.T) {
	long := strings.TrimSuffix(strings.Repeat(strings.Repeat("a", 60)+".", 4), ".")
	text := strings.Replace(good, "    spf: {include:",
		"    dkim: [{selector: "+long+"}]\n    spf: {include:", 1)
	if _, err := Load(write(t, "mailpub.yaml", text)); err == nil ||
		!strings.Contains(err.Error(), "over 253 characters") {
		t.Errorf("%v", err)
	}
}

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeAll writes files into a directory of their own and returns that.
func writeAll(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	return dir
}

const customer = `defaults: ../common.yaml
site: bianchi
server: {hostname: mail.bianchi.example, address: 10.1.0.10}
domains: [{name: bianchi.example}]
zones: [{name: bianchi.example, provider: manual}]
`

func TestDefaults(t *testing.T) {
	dir := writeAll(t, map[string]string{
		"bianchi/mailpub.yaml": customer + "router: {lease: 24h}\nverify: {resolvers: [192.0.2.1]}\n",
		"common.yaml":          "server: {public: {ipv4: 2.2.2.2}}\nrouter: {lease: 48h, protocol: upnp, forwards: [{name: smtp, port: 25}]}\nverify: {resolvers: [192.0.2.53, 192.0.2.54]}\n",
	})

	c, err := Load(filepath.Join(dir, "bianchi/mailpub.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	if c.Router.Lease != 24*time.Hour || c.Router.Protocol != "upnp" ||
		c.Server.Public.IPv4 != "2.2.2.2" || len(c.Router.Forwards) != 1 {
		t.Errorf("sections are merged: %+v, %+v", c.Router, c.Server)
	}

	if len(c.Verify.Resolvers) != 1 {
		t.Errorf("lists are taken whole: %v", c.Verify.Resolvers)
	}

	toml := writeAll(t, map[string]string{
		"c.toml":      "Defaults = \"common.yaml\"\nsite = \"a\"\n[server]\nhostname = \"mail.example.org\"\naddress = \"10.0.0.1\"\n[[domains]]\nname = \"example.org\"\n",
		"common.yaml": "zones: [{name: example.org, provider: manual}]\nserver: {public: {ipv4: 2.2.2.2}}\n",
	})

	if c, err := Load(filepath.Join(toml, "c.toml")); err != nil ||
		c.Server.Public.IPv4 != "2.2.2.2" || len(c.Zones) != 1 {
		t.Errorf("TOML above YAML: %v", err)
	}
}

// A mistake is told where it stands.
func TestDefaultsMistakes(t *testing.T) {
	for _, c := range []struct{ name, own, common, want string }{
		{"in the defaults", "", "router: {protocol: upmp}\nserver: {public: {ipv4: 2.2.2.2}}\n", `common.yaml:1: router.protocol: is "upmp", did you mean "upnp"?`},
		{"in the file above", "router: {protocol: upmp}\n", "router: {protocol: upnp}\n", `mailpub.yaml:6: router.protocol: is "upmp"`},
		{"unknown", "", "rooter: {}\n", `common.yaml:1: rooter: there is no such field; did you mean "router"?`},
		{"a type", "", "\nrouter: {lease: 3}\n", "common.yaml:2: router.lease: want a time with its unit"},
		{"an entry of a list", "", "verify:\n  egress: [mx.example.net, \"a b\"]\n", `common.yaml:2: verify.egress[1]: "a b" is no name`},
		{"a list above", "verify: {egress: [\"a b\"]}\n", "verify:\n  egress: [mx.example.net, mx2.example.net]\n", `mailpub.yaml:6: verify.egress[0]: "a b" is no name`},
		{"defaults of defaults", "", "defaults: more.yaml\n", "common.yaml:1: defaults: is a file of defaults itself"},
		{"no section above", "router: 5\n", "router: {protocol: upnp}\n", "mailpub.yaml:6: router: want"},
		{"no section within", "watch: {every: 1h, notify: 5}\nverify: {mailbox: 5}\n", "verify: {mailbox: {user: mario}}\n", "mailpub.yaml:7: verify.mailbox: want"},
		{"no YAML", "", "router: {", "common.yaml:1:"},
	} {
		dir := writeAll(t, map[string]string{"bianchi/mailpub.yaml": customer + c.own,
			"common.yaml": c.common})
		if _, err := Load(filepath.Join(dir, "bianchi/mailpub.yaml")); err == nil ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		}
	}

	dir := writeAll(t, map[string]string{"bianchi/mailpub.yaml": customer})
	if _, err := Load(filepath.Join(dir, "bianchi/mailpub.yaml")); err == nil ||
		!strings.Contains(err.Error(), `mailpub.yaml:1: defaults: cannot find "../common.yaml"`) {
		t.Errorf("no file: %v", err)
	}
}

// Where the ledger is can be said before a config is checked, and is what the checked one says.
func TestLedger(t *testing.T) {
	for _, c := range []struct{ name, own, common, dir, site string }{
		{"both by default", "", "", "bianchi/.mailpub", "bianchi"},
		{"a state directory of its own", "state: kept\n", "state: common\n", "bianchi/kept", "bianchi"},
		{"one of the defaults, with capitals", "", "State: common\n", "bianchi/common", "bianchi"},
		{"a name that is none", "Site: ../rossi\n", "", "bianchi/.mailpub", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			own := strings.Replace(customer, "site: bianchi\n", "", 1) + c.own
			if !strings.Contains(own, "Site: ") {
				own += "site: bianchi\n"
			}

			top := writeAll(t, map[string]string{"bianchi/mailpub.yaml": own,
				"common.yaml": "server: {public: {ipv4: 2.2.2.2}}\n" + c.common})

			u, err := Read(filepath.Join(top, "bianchi/mailpub.yaml"))
			if err != nil {
				t.Fatal(err)
			}

			dir, site := u.Ledger()
			if want := filepath.Join(top, c.dir); dir != want || site != c.site {
				t.Errorf("%s, %q; want %s, %q", dir, site, want, c.site)
			}

			checked, err := u.Check()
			if (err == nil) != (site != "") {
				t.Fatal(err)
			}

			if err == nil && (checked.Path(checked.State) != dir || checked.Site != site) {
				t.Errorf("the checked config says %s, %q", checked.Path(checked.State),
					checked.Site)
			}
		})
	}
}

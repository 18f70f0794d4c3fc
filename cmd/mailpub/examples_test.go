package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/demo"
	"github.com/mailpub/mailpub/cmd/mailpub/schema"
	"github.com/mailpub/mailpub/cmd/mailpub/schemagen"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/cloudflaretest"
)

const (
	examplesDir = "../../examples"
	schemaFile  = examplesDir + "/mailpub.schema.json"
)

// exampleConfigs are the configs under examples.
func exampleConfigs(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(examplesDir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == "mailpub.yaml" {
			paths = append(paths, path)
		}
		return err
	})

	if err != nil {
		t.Fatal(err)
	}

	if len(paths) < 8 {
		t.Errorf("only %d examples: %v", len(paths), paths)
	}

	return paths
}

// generated compares a file with what the code makes of it; -update writes it.
func generated(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code makes: make docs", path)
	}
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema.Config))
	if err != nil {
		t.Fatal(err)
	}

	c := jsonschema.NewCompiler()
	if err := c.AddResource("mailpub.schema.json", doc); err != nil {
		t.Fatal(err)
	}

	s, err := c.Compile("mailpub.schema.json")
	if err != nil {
		t.Fatal(err)
	}

	return s
}

// jsonValue is a YAML file as the values of JSON.
func jsonValue(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}

	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}

	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}

	return out
}

// The file for editors is what "mailpub schema" prints.
func TestSchemaFile(t *testing.T) {
	text, err := schemagen.Schema()
	if err != nil {
		t.Fatal(err)
	}

	generated(t, schemaFile, text)
	generated(t, "schema/config.json", text)
	if schema.Config != string(text) && !*update {
		t.Error("mailpub schema prints another one")
	}

	for _, name := range schema.Documents() {
		text, err := schema.Document(name)
		if err != nil {
			t.Fatal(err)
		}
		generated(t, filepath.Join("../../docs/reference/schemas", name+".schema.json"), text)
	}
}

// TestExamples loads every example, by the schema too, and plans it: against the embedded name
// server and router, and a stand-in of Cloudflare, in the place of what its names and addresses
// are. All else is as in the file.
func TestExamples(t *testing.T) {
	schema := compiledSchema(t)
	for _, path := range exampleConfigs(t) {
		name := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, examplesDir+"/")))
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}

			first, _, _ := strings.Cut(string(text), "\n")
			at, marked := strings.CutPrefix(first, "# yaml-language-server: $schema=")
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), at)); !marked || err != nil {
				t.Errorf("its first line does not lead editors to the schema: %q, %v", first,
					err)
			}

			if err := schema.Validate(jsonValue(t, text)); err != nil {
				t.Errorf("by the schema: %v", err)
			}

			cfg, err := config.Load(path)
			if err != nil {
				t.Fatal(err)
			}

			planExample(t, path, cfg)
		})
	}
}

// planExample plans a copy of an example whose outside world is embedded.
func planExample(t *testing.T, path string, cfg *config.Config) {
	file, cloud := embeddedExample(t, path, cfg)
	var stdout, stderr bytes.Buffer
	a := newApp(strings.NewReader(""), &stdout, &stderr)
	a.http = cloud.Client()
	a.execute(t.Context(), []string{"-c", file, "plan"})
	has(t, stdout.String(), "Plan: ", cfg.Server.Hostname+". A ", "127.0.0.1:25 ")

	for _, d := range cfg.Domains {
		has(t, stdout.String(), mail.FQDN(d.Name)+" MX ", mail.FQDN(d.Name)+" TXT v=spf1")
	}

	for _, f := range cfg.Router.Forwards {
		has(t, stdout.String(), f.Proto+"/"+strconv.Itoa(f.Port)+" ")
	}

	if t.Failed() {
		t.Logf("%s%s", stdout.String(), stderr.String())
	}
}

// embeddedExample writes a copy of an example whose outside world is embedded, and starts that.
func embeddedExample(t *testing.T, path string, cfg *config.Config) (file string, cloud *cloudflaretest.API) {
	var fields map[string]any
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &fields)
	}

	if err != nil {
		t.Fatal(err)
	}

	world, err := demo.StartWith(t.Context(), zonesOf(cfg))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(world.Close)
	cloud = cloudflaretest.New(cfg.Zones[0].Name, "the-token")
	t.Cleanup(cloud.Close)
	t.Setenv(demo.KeyVariable, world.Key)
	t.Setenv("MAILPUB_CLOUDFLARE_TOKEN", "the-token")
	t.Setenv("MDAEMON_PASSWORD", "secret")
	lead(fields, world)
	dir := t.TempDir()
	out, err := yaml.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}

	file = filepath.Join(dir, "site", "mailpub.yaml")
	err = os.Mkdir(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, out, 0o600)
	}

	if err == nil && cfg.Defaults != "" {
		var shared []byte
		if shared, err = os.ReadFile(cfg.Path(cfg.Defaults)); err == nil {
			err = os.WriteFile(filepath.Join(dir, "defaults.yaml"), shared, 0o600)
		}
	}

	if err != nil {
		t.Fatal(err)
	}

	return file, cloud
}

// TestEmbed builds and runs examples/embed, which uses mailpub as a library, on a copy of
// examples/office.
func TestEmbed(t *testing.T) {
	path := filepath.Join(examplesDir, "office", "mailpub.yaml")
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}

	file, _ := embeddedExample(t, path, cfg)
	program := filepath.Join(t.TempDir(), "embed")
	if out, err := exec.Command("go", "build", "-o", program,
		examplesDir+"/embed").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	out, err := exec.Command(program, file).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	saved, err := plan.DecodeSaved(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	keys := map[string]bool{}
	for _, c := range saved.Changes {
		keys[c.Key.Name] = true
	}

	if saved.Site != "nomeazienda" || !keys["mail.nomeazienda.it. A"] ||
		!keys["nomeazienda.it. MX"] || !keys["tcp/25"] {
		t.Errorf("the plan of %q:\n%s", saved.Site, out)
	}
}

// lead leads a config to the embedded world.
func lead(fields map[string]any, world *demo.Internet) {
	section := func(name string) map[string]any {
		s, ok := fields[name].(map[string]any)
		if !ok {
			s = map[string]any{}
			fields[name] = s
		}
		return s
	}

	section("server")["address"] = "127.0.0.1"
	section("verify")["resolvers"] = []string{world.DNS.Addr()}
	section("verify")["dnsbl"] = []string{}

	if r := section("router"); r["protocol"] != "manual" {
		delete(r, "protocol")
		delete(r, "interface")
		r["url"] = world.Router.URL()
	}

	if s, ok := section("service")["settings"].(map[string]any); ok && s["url"] != nil {
		s["url"] = "https://127.0.0.1:1/"
	}

	for _, z := range fields["zones"].([]any) {
		zone := z.(map[string]any)
		zone["nameservers"] = []string{world.DNS.Addr()}
		if p := zone["provider"]; p != "cloudflare" && p != "manual" {
			zone["provider"] = "rfc2136"
			zone["settings"] = map[string]string{"server": world.DNS.Addr(),
				"key_name": "mailpub.", "key": "env:" + demo.KeyVariable}
		}
	}
}

const emptyZone = `$TTL 3600
@    SOA  ns.nomeazienda.it. hostmaster.nomeazienda.it. 1 7200 900 1209600 300
@    NS   ns.nomeazienda.it.
`

// zonesOf are empty zones of the names that a config has.
func zonesOf(cfg *config.Config) map[string]string {
	zones := map[string]string{}
	for _, z := range cfg.Zones {
		zones[mail.FQDN(z.Name)] = emptyZone
	}
	return zones
}

// What editors are to mark: the schema refuses it, as loading does.
func TestSchemaRejects(t *testing.T) {
	schema := compiledSchema(t)
	good := "site: a\nserver: {hostname: mail.example.org, address: 10.0.0.1}\ndomains: [{name: example.org}]\nzones: [{name: example.org, provider: manual}]\n"
	if err := schema.Validate(jsonValue(t, []byte(good))); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct{ what, old, new string }{
		{"a field that is not there", "site: a", "site: a\nsiet: b"},
		{"a section that has no such field", "address:", "adress: 1, address:"},
		{"a field that is missing", "site: a\n", ""},
		{"a host that is missing", "hostname: mail.example.org, ", ""},
		{"text for a list", "domains: [{name: example.org}]", "domains: example.org"},
		{"an unknown provider", "provider: manual", "provider: cloudflair"},
		{"settings that are missing", "provider: manual", "provider: cloudflare"},
		{"a setting of another provider", "provider: manual", "provider: desec, settings: {token: env:A, key: env:B}"},
		{"a secret in the open", "provider: manual", "provider: desec, settings: {token: s3cret}"},
		{"settings where there are none", "provider: manual", "provider: manual, settings: {token: env:A}"},
		{"a number for a time", "provider: manual", "provider: manual, ttl: 3600"},
		{"a time without a unit", "provider: manual", "provider: manual, ttl: \"3600\""},
		{"a port beyond", "site: a", "site: a\nrouter: {forwards: [{name: smtp, port: 70000}]}"},
		{"an unknown protocol", "site: a", "site: a\nrouter: {protocol: upmp}"},
		{"text for a port", "site: a", "site: a\nrouter: {forwards: [{name: smtp, port: \"25\"}]}"},
		{"an unknown server", "site: a", "site: a\nservice: {type: sendmail}"},
		{"a setting of another server", "site: a", "site: a\nservice: {type: postfix, settings: {url: x}}"},
		{"a policy that is none", "{name: example.org}", "{name: example.org, dmarc: {policy: ban}}"},
		{"a password in the open", "site: a", "site: a\nverify: {mailbox: {imap: \"h:143\", user: u, password: secret}}"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Fatalf("%s: nothing was replaced", c.what)
		}

		if err := schema.Validate(jsonValue(t, []byte(text))); err == nil {
			t.Errorf("%s is not refused:\n%s", c.what, text)
		}

		if _, err := config.Parse("mailpub.yaml", []byte(text)); err == nil {
			t.Errorf("%s loads:\n%s", c.what, text)
		}
	}
}

// Whatever the config's help page does not show, nobody finds: each field of the structs is there.
func TestEveryFieldIsExplained(t *testing.T) {
	var shown []string
	for _, k := range config.Keys() {
		shown = append(shown, k.Path)
	}

	for _, path := range config.FieldPaths() {
		if !slices.Contains(shown, path) && !strings.Contains(config.Help(),
			path[strings.LastIndex(path, ".")+1:]+":") {
			t.Errorf("mailpub help config does not show %s", path)
		}
	}

	for _, k := range shown {
		if !slices.Contains(config.FieldPaths(), k) && !strings.Contains(k, ".settings.") {
			t.Errorf("mailpub help config shows %s, which there is not", k)
		}
	}
}

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
)

const ignorable = `site: nomeazienda
server: {hostname: mail.nomeazienda.it, address: 10.10.10.10, public: {ipv4: 2.2.2.2}}
domains: [{name: nomeazienda.it}]
zones: [{name: nomeazienda.it, provider: manual}] # a comment
router: {protocol: none}
`

// An entry is added to files of many forms; all else in them stays, and what cannot be edited is told as lines to
// add.
func TestWithIgnore(t *testing.T) {
	add := Ignore{
		Check:   "host.ptr",
		Subject: "2.2.2.2",
		Until:   "2099-01-31",
		Why:     `the "provider" \ does it`,
	}

	const entry = "  - check: host.ptr\n    subject: \"2.2.2.2\"\n    until: \"2099-01-31\"\n    why: \"the \\\"provider\\\" \\\\ does it\"\n"
	other := "  - check: mx.exists\n    until: 2098-12-31\n    why: other # behind\n"
	for _, test := range []struct{ name, file, before, after, err string }{
		{"no list", "a.yaml", ignorable, ignorable + "\nignore:\n" + entry, ""},
		{"no end of line", "a.yaml", strings.TrimSuffix(ignorable, "\n"), ignorable + "\nignore:\n" + entry, ""},
		{"a list", "a.yml", ignorable + "ignore:\n" + other + "verify: {dnsbl: []}\n", ignorable + "ignore:\n" + other + entry + "verify: {dnsbl: []}\n", ""},
		{"a list without indent", "a.yaml", "ignore:\n- {check: mx.exists, until: 2098-12-31, why: x}\n" + ignorable,
			"ignore:\n- {check: mx.exists, until: 2098-12-31, why: x}\n" + strings.ReplaceAll(strings.TrimPrefix(entry, "  "), "\n    ", "\n  ") + ignorable, ""},
		{"the same entry", "a.yaml", ignorable + "ignore:\n  - check: host.ptr\n    subject: 2.2.2.2\n    until: 2097-01-01\n    why: x\n" + other, ignorable + "ignore:\n" + other + entry, ""},
		{"line ends of Windows", "a.yaml", strings.ReplaceAll(ignorable, "\n", "\r\n"), strings.ReplaceAll(ignorable+"\nignore:\n"+entry, "\n", "\r\n"), ""},
		{"one line", "a.yaml", ignorable + "ignore: [{check: mx.exists, until: 2098-12-31, why: x}]\n", "", "a line for each entry; add this to ignore:\n  - check: host.ptr"},
		{"text over several lines", "a.yaml", ignorable + "ignore:\n  - check: mx.exists\n    until: 2098-12-31\n    why: >-\n      a\n      b\n", "", "add this to ignore:"},
		{"TOML", "a.toml", "site = \"nomeazienda\"\nserver = {hostname = \"mail.nomeazienda.it\", address = \"10.10.10.10\", public = {ipv4 = \"2.2.2.2\"}}\nrouter = {protocol = \"none\"}\ndomains = [{name = \"nomeazienda.it\"}]\nzones = [{name = \"nomeazienda.it\", provider = \"manual\"}]\n",
			"[[ignore]]\ncheck = \"host.ptr\"\nsubject = \"2.2.2.2\"\nuntil = \"2099-01-31\"\nwhy = \"the \\\"provider\\\" \\\\ does it\"\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), test.file)
			if err := os.WriteFile(path, []byte(test.before), 0o600); err != nil {
				t.Fatal(err)
			}

			c, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}

			got, err := c.WithIgnore([]byte(test.before), add)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q; %s", err, test.err, got)
				}
				return
			}

			if err != nil {
				t.Fatal(err)
			}

			if test.file == "a.toml" {
				test.after = test.before + "\n" + test.after
			}

			if string(got) != test.after {
				t.Errorf("got\n%s\nwant\n%s", got, test.after)
			}
		})
	}
}

// A list that stands in the file of defaults is not hidden by one of the config's own.
func TestWithIgnoreDefaults(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}

	write("defaults.yaml", "ignore: [{check: mx.exists, until: 2098-12-31, why: x}]\n")
	path := write("a.yaml", "defaults: defaults.yaml\n"+ignorable)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := c.WithIgnore([]byte("defaults: defaults.yaml\n"+ignorable), Ignore{
		Check: "host.ptr",
		Until: "2099-01-31",
		Why:   "x",
	}); err == nil || !strings.Contains(err.Error(), "the list stands in") {
		t.Errorf("error %v", err)
	}
}

// The last day belongs to the time, in the zone of the clock; a subject is compared as a name.
func TestIgnore(t *testing.T) {
	zone := time.FixedZone("east", 5*3600)
	i := Ignore{Check: "mx.target", Subject: "Nomeazienda.it.", Until: "2027-01-31"}
	for at, ended := range map[string]bool{"2027-01-31T23:59:59": false,
		"2027-02-01T00:00:00": true, "2026-01-01T00:00:00": false} {
		now, err := time.ParseInLocation("2006-01-02T15:04:05", at, zone)
		if err != nil {
			t.Fatal(err)
		}
		if i.Ended(now) != ended {
			t.Errorf("at %s: %v", at, !ended)
		}
	}

	for _, test := range []struct {
		check plan.Check
		want  bool
	}{
		{plan.Check{ID: "mx.target", Subject: plan.OfName("nomeazienda.it")}, true},
		{plan.Check{ID: "mx.target", Subject: plan.OfName("example.org")}, false},
		{plan.Check{ID: "mx.exists", Subject: plan.OfName("nomeazienda.it")}, false},
	} {
		if i.Matches(test.check) != test.want {
			t.Errorf("%+v matches: %v", test.check, !test.want)
		}
	}
}

// Wrong entries are mistakes at their fields.
func TestIgnoreMistakes(t *testing.T) {
	_, err := Parse("a.yaml", []byte(ignorable+
		"ignore:\n  - check: mx.exist\n    until: tomorrow\n"))

	for _, want := range []string{"a.yaml:7: ignore[0].check: \"mx.exist\" is not a check, did you mean mx.exists?",
		"a.yaml:8: ignore[0].until: is \"tomorrow\"", "ignore[0].why: is missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

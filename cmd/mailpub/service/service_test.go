package service

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

const officeConfig = `site: office
server: {hostname: mail.nomeazienda.it, address: 10.10.10.10, public: {ipv4: 2.2.2.2}}
domains: [{name: nomeazienda.it}]
zones: [{name: nomeazienda.it, provider: manual}]
router: {protocol: nftables, interface: eth0, forwards: [{name: smtp, port: 25}]}
service: {type: receiver, maildir: mail, aliases: [{address: postmaster, to: mario}, {address: abuse, to: mario}]}
`

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUnitOptions(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "mailpub.yaml", officeConfig)
	o, err := UnitOptions(Options{
		Name:  "mailpub",
		User:  "mailpub",
		Print: true,
	}, []string{file})

	if err != nil {
		t.Fatal(err)
	}

	if !slices.Equal(o.Configs, []string{file}) || !o.NetAdmin || o.MailServer ||
		o.User != "mailpub" || o.Program == "" {
		t.Errorf("%+v", o)
	}

	for _, want := range []string{filepath.Join(dir, ".mailpub"), filepath.Join(dir, "mail")} {
		if !slices.Contains(o.Writable, want) {
			t.Errorf("writable are %q, want %q among them", o.Writable, want)
		}
	}

	if _, err := os.Stat(filepath.Join(dir, ".mailpub")); err == nil {
		t.Error("--print made the state directory")
	}

	if _, err := UnitOptions(Options{Name: "mailpub"}, []string{file}); err != nil {
		t.Error(err)
	}

	if _, err := os.Stat(filepath.Join(dir, ".mailpub")); err != nil {
		t.Error("an installation did not make the state directory, and the unit can't write to it")
	}
}

func TestUnitOptionsRefused(t *testing.T) {
	dir := t.TempDir()
	other := t.TempDir()
	file := write(t, dir, "mailpub.yaml", officeConfig)
	manual := write(t, other, "manual.yaml",
		strings.Replace(officeConfig, "type: receiver, maildir: mail, aliases: [{address: postmaster, to: mario}, {address: abuse, to: mario}]",
			"type: manual", 1))

	for _, test := range []struct {
		name  string
		o     Options
		paths []string
		want  string
	}{
		{"a name", Options{Name: "Mail Pub"}, []string{file}, `--name is "Mail Pub"`},
		{"no config", Options{Name: "mailpub"}, []string{filepath.Join(dir, "absent.yaml")}, "absent.yaml"},
		{"no site", Options{Name: "mailpub"}, []string{t.TempDir()}, ""},
		{"the receiver of two sites", Options{Name: "mailpub", Receive: true}, []string{file, manual}, "--receive takes one config, not 2"},
		{"the receiver of a directory", Options{Name: "mailpub", Receive: true}, []string{dir}, "--receive takes a config file"},
		{"a receiver that is none", Options{Name: "mailpub", Receive: true}, []string{manual}, `service.type is "manual"`},
	} {
		test.o.Print = true
		if _, err := UnitOptions(test.o, test.paths); err == nil ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

// printed is what an installation would install.
func printed(t *testing.T, o Options) string {
	t.Helper()
	file := write(t, t.TempDir(), "mailpub.yaml", officeConfig)
	unit, err := UnitOptions(o, []string{file})
	if err != nil {
		t.Fatal(err)
	}

	var out bytes.Buffer
	if err := Install(t.Context(), &term.UI{Out: &out, Err: &out}, unit, o); err != nil {
		t.Fatal(err)
	}

	return out.String()
}

package setup

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

// What can't be written, or not be meant, is refused before anything is looked at or asked.
func TestRefusedBeforeLooking(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there.yaml")
	if err := os.WriteFile(there, []byte("site: office\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	absent := filepath.Join(dir, "absent.yaml")
	for _, test := range []struct {
		name, file string
		change     func(*Options)
		want       string
	}{
		{"another format", filepath.Join(dir, "mailpub.toml"), nil, "want a name that ends in .yaml"},
		{"a file that is there", there, nil, "exists: mailpub"},
		{"an address", absent, func(o *Options) { o.Address = "mail.nomeazienda.it" }, `--address is "mail.nomeazienda.it"`},
		{"a port", absent, func(o *Options) { o.Ports = []string{"smtp"} }, "smtp"},
		{"a port that is none", absent, func(o *Options) { o.Ports = []string{"70000"} }, "70000"},
	} {
		out := new(bytes.Buffer)
		o := Options{
			UI: &term.UI{
				ConfigFile: test.file,
				In:         strings.NewReader(""),
				Out:        out,
				Err:        out,
			},
			Yes: true,
		}

		if test.change != nil {
			test.change(&o)
		}

		for command, run := range map[string]func() error{
			"init": func() error { return Init(t.Context(), o, "nomeazienda.it") },
			"import": func() error {
				return Import(t.Context(), o, []string{"nomeazienda.it"}, false)
			},
		} {
			if err := run(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s, %s: %v, want %q", command, test.name, err, test.want)
			}
			if strings.Contains(out.String(), "Looking") {
				t.Errorf("%s, %s: it looked all the same", command, test.name)
			}
		}
	}

	if data, err := os.ReadFile(there); err != nil || string(data) != "site: office\n" {
		t.Errorf("the file that was there is %q, %v", data, err)
	}

	if _, err := os.Stat(absent); err == nil {
		t.Error("a file was written")
	}
}

func TestReadPorts(t *testing.T) {
	ports, err := readPorts("25 587:2587")
	if err != nil || len(ports) != 2 || ports[0].Number != 25 || ports[1].Number != 587 {
		t.Errorf("%+v, %v", ports, err)
	}
}

// What init offers is what a config takes.
func TestNames(t *testing.T) {
	for _, want := range []string{"rfc2136", "cloudflare", "manual"} {
		if !slices.Contains(ProviderNames(), want) {
			t.Errorf("no provider %q among %q", want, ProviderNames())
		}
	}

	for _, want := range []string{"receiver", "postfix", "mdaemon", "manual"} {
		if !slices.Contains(ServerNames(), want) {
			t.Errorf("no mail server %q among %q", want, ServerNames())
		}
	}
}

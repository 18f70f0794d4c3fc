package request

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/demo"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

// office is a site whose DNS is run by other people: the demo's Internet, and no provider.
func office(t *testing.T) *term.UI {
	t.Helper()
	internet, err := demo.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(internet.Close)
	var lines []string
	for _, line := range strings.Split(internet.Config(), "\n") {
		switch {
		case strings.HasPrefix(line, "    provider:"):
			line = "    provider: manual"
		case strings.HasPrefix(line, "    settings:"):
			continue
		case line == "  - name: nomeazienda.it" && len(lines) < 8:
			line += "\n    mta_sts: {mode: testing}"
		}

		lines = append(lines, line)
	}

	file := filepath.Join(t.TempDir(), "mailpub.yaml")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}

	return &term.UI{ConfigFile: file, Out: new(bytes.Buffer), Err: new(bytes.Buffer)}
}

func TestWrite(t *testing.T) {
	u := office(t)
	for _, test := range []struct {
		words string
		o     Options
		want  []string
	}{
		{"", Options{}, []string{"zone nomeazienda.it", "request zone nomeazienda.it", "request policy nomeazienda.it"}},
		{"zone nomeazienda.it", Options{}, []string{"Subject: DNS records in the zone nomeazienda.it", "MX", "10 mail.nomeazienda.it."}},
		{"zone nomeazienda.it", Options{Lang: "it"}, []string{"Oggetto: record DNS nella zona nomeazienda.it"}},
		{"zone nomeazienda.it", Options{Form: "table"}, []string{"name", "ttl", "nomeazienda.it."}},
		{"zone nomeazienda.it", Options{Form: "zone"}, []string{"nomeazienda.it.  3600  IN  MX  10 mail.nomeazienda.it."}},
		{"policy nomeazienda.it", Options{}, []string{"version: STSv1", "mode: testing", "mx: mail.nomeazienda.it"}},
		{"ptr", Options{}, []string{"Subject: reverse DNS (PTR) of 2.2.2.2", "mail.nomeazienda.it"}},
	} {
		out := new(bytes.Buffer)
		u.Out = out
		o := test.o

		if o.Lang == "" {
			o.Lang = "en"
		}

		if o.Form == "" {
			o.Form = "letter"
		}

		if err := Write(t.Context(), u, o, strings.Fields(test.words)); err != nil {
			t.Errorf("request %s: %v", test.words, err)
			continue
		}

		for _, want := range test.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("request %s %+v: no %q in\n%s", test.words, test.o, want, out)
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	u := office(t)
	for _, test := range []struct {
		words, lang, form, want string
	}{
		{"", "fr", "letter", `--lang is "fr", want en or it`},
		{"", "en", "card", `--form is "card", want one of letter, table, zone`},
		{"zone", "en", "letter", "request zone needs a zone"},
		{"policy", "en", "letter", "request policy needs a domain"},
		{"zone elsewhere.example", "en", "letter", `"elsewhere.example" is not one of the zones in the config`},
		{"money", "en", "letter", `"money" is not a request`},
	} {
		err := Write(t.Context(), u, Options{
			Lang: test.lang,
			Form: test.form,
		}, strings.Fields(test.words))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("request %s: %v, want %q", test.words, err, test.want)
		}
	}
}

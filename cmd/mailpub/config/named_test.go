package config

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

const namedConfig = `site: nomeazienda
server: {hostname: mail.nomeazienda.it, address: 2.2.2.2, public: {ipv4: 2.2.2.2}}
router: {protocol: none}
service: {type: manual}
domains: [{name: nomeazienda.it, dkim: [{selector: m1, key: "secret:dkim"}]}]
zones:
  - name: nomeazienda.it
    provider: rfc2136
    settings: {server: "2.2.2.2:53", key_name: mailpub., key: "secret:tsig"}
`

// secret:NAME is resolved by whoever has the secrets, and refused with the place where it works otherwise.
func TestNamedSecrets(t *testing.T) {
	c, err := Parse("nomeazienda.yaml", []byte(namedConfig))
	if err != nil {
		t.Fatal(err)
	}

	if _, err := c.ResolvedSettings(t.Context(), 0); err == nil ||
		!strings.HasPrefix(err.Error(), "nomeazienda.yaml:9: zones[0].settings.key: secret:NAME works only for a site of a fleet") {
		t.Errorf("in a file: %v", err)
	}
	if _, err := Resolve(t.Context(), "secret:tsig", "."); !errors.Is(err, errNoNamedSecrets) {
		t.Errorf("Resolve: %v", err)
	}

	var asked []string
	c.ResolveWith(func(_ context.Context, name string) (string, error) {
		asked = append(asked, name)
		switch name {
		case "tsig":
			return "c2VjcmV0LXRzaWc=", nil
		case "dkim":
			return "", nil
		}
		return "", os.ErrNotExist
	})

	got, err := c.ResolvedSettings(t.Context(), 0)
	if err != nil || got["key"] != "c2VjcmV0LXRzaWc=" {
		t.Errorf("%v, %v", got, err)
	}
	if text := c.Secrets().Text("key c2VjcmV0LXRzaWc= is bad"); strings.Contains(text, "c2Vj") {
		t.Errorf("not redacted: %s", text)
	}

	if _, err := c.DKIMKey(t.Context(), "nomeazienda.it", "m1"); err == nil ||
		!strings.Contains(err.Error(), "domains[0].dkim[0].key: secret:dkim is empty") {
		t.Errorf("an empty key: %v", err)
	}
	if text, err := c.DKIMKey(t.Context(), "nomeazienda.it", "m2"); text != "" || err != nil {
		t.Errorf("a selector without key: %q, %v", text, err)
	}
	if strings.Join(asked, " ") != "tsig dkim" {
		t.Errorf("asked for %q", asked)
	}
}

func TestDKIMKeyReference(t *testing.T) {
	for replaced, want := range map[string]string{
		`"secret:dkim"`:            "",
		`"env:KEY"`:                "",
		`plain`:                    "domains[0].dkim[0].key: holds the secret itself",
		`"env:KEY", file: key.pem`: "domains[0].dkim[0].key: is set together with file",
	} {
		_, err := Parse("x.yaml", []byte(strings.Replace(namedConfig, `"secret:dkim"`, replaced, 1)))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("key: %s: %v, want %q", replaced, err, want)
		}
	}
}

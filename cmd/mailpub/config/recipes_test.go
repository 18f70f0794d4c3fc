//go:build unix

package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each recipe for secrets in the documentation runs its program with the arguments that program needs. The
// programs are stand-ins that print what they were called with.
func TestSecretRecipes(t *testing.T) {
	page, err := os.ReadFile("../../../docs/how-to/secrets.md")
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	want := map[string]string{
		"sops":  `sops|--decrypt|--extract|["tsig_key"]|secrets.enc.yaml`,
		"age":   "age|--decrypt|--identity|/etc/mailpub/age.key|tsig.age",
		"vault": "vault|kv|get|-field=tsig_key|secret/mailpub",
		"op":    "op|read|op://Mail/mailpub/tsig_key",
	}

	for name := range want {
		text := "#!/bin/sh\nprintf '%s' \"${0##*/}\"\nprintf '|%s' \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}

	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if err := os.WriteFile(filepath.Join(dir, "MAILPUB_TSIG_KEY"), []byte("in memory"),
		0o400); err != nil {
		t.Fatal(err)
	}

	found := 0
	for _, m := range regexp.MustCompile(`(?m)key: '(.+)'\}$`).FindAllStringSubmatch(string(page), -1) {
		found++
		got, err := Resolve(t.Context(), m[1], ".")
		if err != nil {
			t.Errorf("%s: %v", m[1], err)
			continue
		}

		name, _, _ := strings.Cut(got, "|")
		if m[1] != "credential:MAILPUB_TSIG_KEY" && got != want[name] {
			t.Errorf("%s runs %s, want %s", m[1], got, want[name])
		}
	}

	if found != 5 {
		t.Errorf("%d recipes, want 5", found)
	}
}

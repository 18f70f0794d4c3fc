//go:build !windows

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// needsRoot leaves a test out for others, but not where it must run.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}

	if os.Getenv("MAILPUB_LAB") == "require" {
		t.Fatal("only root can give files away")
	}

	t.Skip("left out: only root can give files away")
}

// Root obeys no config, secret or program that another account may write.
func TestRootObeysNobody(t *testing.T) {
	needsRoot(t)
	t.Setenv("SUDO_UID", "")
	const nobody = 65534

	for name, c := range map[string]struct {
		spoil func(path string) error
		want  string
	}{
		"as it should be":      {func(string) error { return nil }, ""},
		"of another user":      {func(p string) error { return os.Chown(p, nobody, 0) }, "belongs to user 65534"},
		"writable by all":      {func(p string) error { return os.Chmod(p, 0o666) }, "(mode 0666) is writable by every user"},
		"writable by a group":  {func(p string) error { return firstError(os.Chown(p, 0, nobody), os.Chmod(p, 0o660)) }, "writable by group 65534"},
		"in another's folder":  {func(p string) error { return os.Chown(filepath.Dir(p), nobody, 0) }, "belongs to user 65534"},
		"in a writable folder": {func(p string) error { return os.Chmod(filepath.Dir(p), 0o777) }, "is writable by every user"},
		"further up another's": {func(p string) error { return os.Chown(filepath.Dir(filepath.Dir(p)), nobody, 0) }, "belongs to user 65534"},
		"by another's link": {func(p string) error {
			to := filepath.Join(filepath.Dir(filepath.Dir(p)), "elsewhere")
			return firstError(os.Mkdir(to, 0o755), os.Rename(p, to+"/secret"), os.Chown(to, nobody, 0), os.Symlink(to+"/secret", p))
		}, "belongs to user 65534"},
		"in a sticky folder": {func(p string) error { return os.Chmod(filepath.Dir(p), 0o777|os.ModeSticky) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "up", "d")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}

			secret := filepath.Join(dir, "secret")
			if err := os.WriteFile(secret, []byte("hush"), 0o600); err != nil {
				t.Fatal(err)
			}

			if err := c.spoil(secret); err != nil {
				t.Fatal(err)
			}

			_, err := Resolve(t.Context(), "file:"+secret, dir)
			if (err == nil) != (c.want == "") ||
				err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("secret: %v, want %q", err, c.want)
			}

			if _, err := Read(secret); c.want != "" &&
				(err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("config: %v, want %q", err, c.want)
			}
		})
	}
}

// The file beneath a config is obeyed as the config is.
func TestRootObeysNobodysDefaults(t *testing.T) {
	needsRoot(t)
	dir := t.TempDir()
	beneath := filepath.Join(dir, "defaults.yaml")
	path := filepath.Join(dir, "site.yaml")
	if err := firstError(os.WriteFile(beneath, []byte("router: {protocol: none}\n"), 0o644),
		os.WriteFile(path, []byte("defaults: defaults.yaml\n"+good), 0o644),
		os.Chmod(beneath, 0o666)); err != nil {
		t.Fatal(err)
	}

	if _, err := Load(path); err == nil || !strings.Contains(err.Error(),
		"is writable by every user") {
		t.Errorf("defaults that everybody may write: %v", err)
	}
}

// What everybody may write is named.
func TestExposed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "site.yaml")
	secret := filepath.Join(dir, "tsig.key")
	text := strings.Replace(good, `"env:KEY"`, `"file:tsig.key"`, 1)
	if err := firstError(os.WriteFile(path, []byte(text), 0o644),
		os.WriteFile(secret, []byte("hush"), 0o600)); err != nil {
		t.Fatal(err)
	}

	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}

	if got := c.Exposed(); got != nil {
		t.Errorf("%q", got)
	}

	if err := firstError(os.Chmod(path, 0o646), os.Chmod(secret, 0o602)); err != nil {
		t.Fatal(err)
	}

	want := []string{path + " (mode 0646) is writable by every user",
		secret + " (mode 0602) is writable by every user"}

	got := c.Exposed()
	if len(got) != 2 || !strings.HasPrefix(got[0], want[0]) ||
		!strings.HasPrefix(got[1], want[1]) {
		t.Errorf("%q, want %q", got, want)
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

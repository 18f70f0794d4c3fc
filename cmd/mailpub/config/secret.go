package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/mailpub/mailpub/providers"
)

// commandTimeout bounds an exec: reference. A password manager may ask its user, so it
// is generous.
const commandTimeout = time.Minute

// IsReference reports whether s names a secret without holding it.
func IsReference(s string) bool {
	for _, p := range []string{"env:", "file:", "exec:"} {
		if rest, ok := strings.CutPrefix(s, p); ok && rest != "" {
			return true
		}
	}
	return false
}

// ResolvedSettings returns the provider settings of zone i with its secrets in place of their
// references. The error is an Errors that names the field and the reference, never the
// secret.
func (c *Config) ResolvedSettings(ctx context.Context, i int) (map[string]string, error) {
	z := c.Zones[i]
	p, _ := providers.Lookup(z.Provider)
	out := map[string]string{}
	for name, v := range z.Settings {
		out[name] = v
	}
	for _, s := range p.Settings {
		v := z.Settings[s.Name]
		if !s.Secret || v == "" {
			continue
		}
		secret, err := c.resolve(ctx, v)
		if err != nil {
			path := fmt.Sprintf("zones[%d].settings.%s", i, s.Name)
			return nil, Errors{{File: c.File, Line: c.Lines.At(path), Field: path, Text: err.Error()}}
		}
		out[s.Name] = secret
	}
	return out, nil
}

// ServiceSecret returns the value of one of service.settings, its reference resolved.
func (c *Config) ServiceSecret(ctx context.Context, name string) (string, error) {
	secret, err := c.resolve(ctx, c.Service.Settings[name])
	if err != nil {
		path := "service.settings." + name
		return "", Errors{{File: c.File, Line: c.Lines.At(path), Field: path, Text: err.Error()}}
	}
	return secret, nil
}

// resolve fetches what a reference names. Relative paths are relative to the config
// file; one final newline is not part of a secret.
func (c *Config) resolve(ctx context.Context, ref string) (string, error) {
	kind, what, _ := strings.Cut(ref, ":")
	var secret string
	switch kind {
	case "env":
		v, set := os.LookupEnv(what)
		if !set {
			return "", fmt.Errorf("the environment has no %s, want it set to the secret", what)
		}
		secret = v
	case "file":
		data, err := os.ReadFile(c.Path(what))
		if err != nil {
			return "", fmt.Errorf("secret can't be read: %w", err)
		}
		secret = string(data)
	case "exec":
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		words := strings.Fields(what)
		cmd := exec.CommandContext(ctx, words[0], words[1:]...)
		cmd.Dir, cmd.Stderr = filepath.Dir(c.File), os.Stderr
		data, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("command %q for the secret: %w", words[0], err)
		}
		secret = string(data)
	}
	if secret = strings.TrimSuffix(strings.TrimSuffix(secret, "\n"), "\r"); secret == "" {
		return "", errors.New(ref + " is empty, want the secret")
	}
	return secret, nil
}

// Path returns a path of the config as seen from the working directory.
func (c *Config) Path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(c.File), p)
}

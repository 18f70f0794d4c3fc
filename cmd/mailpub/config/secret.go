package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/redact"
	"github.com/mailpub/mailpub/providers"
)

// commandTimeout bounds an exec: reference. A password manager may ask its user, so it
// is generous.
const commandTimeout = time.Minute

// IsReference reports whether s names a secret without holding it.
func IsReference(s string) bool {
	for _, p := range []string{"env:", "file:", "exec:", "credential:", "secret:"} {
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
	var missing Errors

	for name, v := range z.Settings {
		out[name] = v
	}

	for _, s := range p.Settings {
		v := z.Settings[s.Name]
		if !s.Secret || v == "" {
			continue
		}

		secret, err := c.secret(ctx, fmt.Sprintf("zones[%d].settings.%s", i, s.Name), v)
		var problems Errors
		if errors.As(err, &problems) {
			missing = append(missing, problems...)
			continue
		}
		if err != nil {
			return nil, err
		}

		out[s.Name] = secret
	}

	if len(missing) > 0 {
		return nil, missing
	}

	return out, nil
}

// secret fetches what a reference in a field names. The error is an Errors that names the field
// and the reference, never the secret.
func (c *Config) secret(ctx context.Context, path, ref string) (string, error) {
	secret, err := c.resolve(ctx, ref)
	if err != nil {
		return "", Errors{{
			File:      c.File,
			Line:      c.Lines.At(path),
			Field:     path,
			Text:      err.Error(),
			Reference: ref,
		}}
	}
	c.secrets.Add(secret)
	return secret, nil
}

// Secrets are those that the config's references named, as far as they were resolved, and what was had with
// them. What servers and commands say is shown without them.
func (c *Config) Secrets() *redact.Set { return &c.secrets }

// ProbeToken returns the token of the probe.
func (c *Config) ProbeToken(ctx context.Context) (string, error) {
	return c.secret(ctx, "verify.probe.token", c.Verify.Probe.Token)
}

// MailboxPassword returns the password of the mailbox that verify looks into.
func (c *Config) MailboxPassword(ctx context.Context) (string, error) {
	return c.secret(ctx, "verify.mailbox.password", c.Verify.Mailbox.Password)
}

// VerifySecret returns what a reference under verify names: "mailboxes[0].password".
func (c *Config) VerifySecret(ctx context.Context, path, ref string) (string, error) {
	return c.secret(ctx, "verify."+path, ref)
}

// ServiceSecret returns the value of one of service.settings, its reference resolved.
func (c *Config) ServiceSecret(ctx context.Context, name string) (string, error) {
	return c.secret(ctx, "service.settings."+name, c.Service.Settings[name])
}

// resolve is Resolve for references in the config: paths are relative to its file.
func (c *Config) resolve(ctx context.Context, ref string) (string, error) {
	name, named := strings.CutPrefix(ref, "secret:")
	switch {
	case !named:
	case c.named == nil:
		return "", errNoNamedSecrets
	default:
		return c.namedSecret(ctx, name)
	}
	return Resolve(ctx, ref, filepath.Dir(c.File))
}

// ResolveWith has find return what a reference secret:NAME names: a fleet keeps such secrets, sealed, in its
// database. find is called with the name alone.
func (c *Config) ResolveWith(find func(ctx context.Context, name string) (string, error)) {
	c.named = find
}

// errNoNamedSecrets is the error of a secret:NAME outside a fleet.
var errNoNamedSecrets = errors.New("secret:NAME works only for a site of a fleet, whose database keeps the secret (mailpub fleet secret set NAME); a config file takes env:NAME, file:PATH, exec:COMMAND or credential:NAME")

func (c *Config) namedSecret(ctx context.Context, name string) (string, error) {
	secret, err := c.named(ctx, name)
	if err == nil && secret == "" {
		err = fmt.Errorf("secret:%s is empty, want the secret", name)
	}
	return secret, err
}

// DKIMKey returns the text that the key of a domain's selector refers to; "" where the key is a file.
func (c *Config) DKIMKey(ctx context.Context, domain, selector string) (string, error) {
	for i, d := range c.Domains {
		for j, k := range d.DKIM {
			if d.Name == domain && k.Selector == selector && k.Key != "" {
				return c.secret(ctx, fmt.Sprintf("domains[%d].dkim[%d].key", i, j), k.Key)
			}
		}
	}
	return "", nil
}

// Resolve fetches what a reference names. Relative paths are relative to dir; one final newline
// is not part of a secret.
func Resolve(ctx context.Context, ref, dir string) (string, error) {
	kind, what, _ := strings.Cut(ref, ":")
	var secret string
	switch kind {
	case "secret":
		return "", errNoNamedSecrets
	case "env":
		v, set := os.LookupEnv(what)
		if !set {
			var err error
			if v, set, err = credential(what); err != nil {
				return "", err
			}
		}

		if !set {
			return "", fmt.Errorf("the environment has no %s, want it set to the secret", what)
		}

		secret = v
	case "credential":
		v, there, err := credential(what)
		if err != nil {
			return "", err
		}
		if !there {
			return "", fmt.Errorf("there is no credential %s: systemd gives it to a unit with LoadCredential=, mailpub --system takes it from %s",
				what, SystemCredentials)
		}

		secret = v
	case "file":
		if !filepath.IsAbs(what) {
			what = filepath.Join(dir, what)
		}

		if err := checkOwner(what); err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}

		data, err := os.ReadFile(what)
		if err != nil {
			return "", fmt.Errorf("secret cannot be read: %w", err)
		}

		secret = text(data)
	case "exec":
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()

		words, err := splitWords(what, runtime.GOOS == "windows")
		if err != nil {
			return "", fmt.Errorf("command of the secret: %w", err)
		}

		data, err := runBounded(ctx, dir, words)
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

// NotifySecret returns what the reference of channel i names: the URL of a service, or the secret
// of a webhook; "" where it has none.
func (c *Config) NotifySecret(ctx context.Context, i int) (string, error) {
	n := c.Watch.Notify[i]
	at := fmt.Sprintf("watch.notify[%d]", i)
	switch {
	case n.URL != "":
		return c.secret(ctx, at+".url", n.URL)
	case n.Secret != "":
		return c.secret(ctx, at+".secret", n.Secret)
	}

	return "", nil
}

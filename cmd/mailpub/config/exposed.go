package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// Exposed says of the config's files that every user may write: the config, what it stands on, and the
// files of its secrets and keys.
func (c *Config) Exposed() (warnings []string) {
	paths := []string{c.File}
	if c.beneath != nil {
		paths = append(paths, c.beneath.path)
	}

	for _, ref := range c.references() {
		if file, ok := strings.CutPrefix(ref, "file:"); ok {
			paths = append(paths, c.Path(file))
		}
	}

	for _, d := range c.Domains {
		for _, k := range d.DKIM {
			if k.Key == "" {
				paths = append(paths, c.DKIMPath(d, k))
			}
		}
	}

	if key := c.Service.TLS.Key; key != "" {
		paths = append(paths, c.Path(key))
	}

	for _, p := range paths {
		text := worldWritable(filepath.Clean(p))
		if text != "" && !slices.Contains(warnings, text) {
			warnings = append(warnings, text)
		}
	}

	return warnings
}

// references are the values that may name a secret.
func (c *Config) references() []string {
	refs := []string{c.Verify.Probe.Token, c.Verify.Mailbox.Password}
	for _, d := range c.Domains {
		for _, k := range d.DKIM {
			refs = append(refs, k.Key)
		}
	}

	for _, z := range c.Zones {
		for _, v := range z.Settings {
			refs = append(refs, v)
		}
	}

	for _, v := range c.Service.Settings {
		refs = append(refs, v)
	}

	for _, n := range c.Watch.Notify {
		refs = append(refs, n.URL, n.Secret)
	}

	return refs
}

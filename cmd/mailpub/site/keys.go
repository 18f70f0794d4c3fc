package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc/dkim"
)

// Key is a DKIM key of the config.
type Key struct {
	Domain    string
	Selector  string
	Algorithm string
	File      string // with the private key
	Record    string // with the public key; "" while there is no key
}

// Name is that of the key's record.
func (k Key) Name() string { return k.Selector + "._domainkey." + k.Domain }

// Keys lists the DKIM keys of a config. The error is that of a key that can't be read.
func Keys(ctx context.Context, cfg *config.Config) ([]Key, error) {
	var list []Key
	for _, d := range cfg.Domains {
		for _, k := range d.DKIM {
			key, err := describeKey(ctx, cfg, d, k)
			if err != nil {
				return nil, err
			}
			list = append(list, key)
		}
	}

	return list, nil
}

func describeKey(ctx context.Context, cfg *config.Config, d config.Domain, k config.DKIM) (Key, error) {
	out := Key{
		Domain:    d.Name,
		Selector:  k.Selector,
		Algorithm: k.Algorithm,
		File:      cmp.Or(k.Key, cfg.DKIMPath(d, k)),
	}

	key, err := readKey(ctx, cfg, d, k)
	switch {
	case errors.Is(err, dkim.ErrNoKey):
		return out, nil
	case err != nil:
		return Key{}, err
	}

	out.Record = key.Record()
	return out, nil
}

// readKey reads a key, which must be of the algorithm that the config says.
func readKey(ctx context.Context, cfg *config.Config, d config.Domain, k config.DKIM) (dkim.Key, error) {
	path := k.Key
	key, err := loadKey(ctx, cfg, d, k)
	if k.Key == "" {
		path = cfg.DKIMPath(d, k)
	}

	if err == nil && key.Algorithm() != k.Algorithm {
		err = fmt.Errorf("DKIM key %s: is for %s, but the config says %s for selector %q of %s",
			path, key.Algorithm(), k.Algorithm, k.Selector, d.Name)
	}
	return key, err
}

// loadKey reads a key from its file, or from what the config refers to.
func loadKey(ctx context.Context, cfg *config.Config, d config.Domain, k config.DKIM) (dkim.Key, error) {
	if k.Key == "" {
		return dkim.Load(cfg.DKIMPath(d, k))
	}

	text, err := cfg.DKIMKey(ctx, d.Name, k.Selector)
	if err != nil {
		return dkim.Key{}, err
	}

	key, err := dkim.Parse(text)
	if err != nil {
		err = fmt.Errorf("DKIM key %s: %w", k.Key, err)
	}

	return key, err
}

package queue

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/guard"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan/egress"
)

// Opener opens the stored sites.
type Opener struct {
	DB  *store.DB
	Log *slog.Logger
	// Dir is where relative paths of the operator's own configs are looked up. Nobody else's have any.
	Dir string
	// Shared is what the operator's sites of a process have in common, Guests what the others have: no connection of the
	// one is used by the other.
	Shared, Guests *site.Shared
	// Allow are ranges of addresses that are not public, and to which sites of tenants may connect all the same.
	Allow []netip.Prefix
	// Secret returns the secret of a tenant that a config names as secret:NAME. Nil: there are none.
	Secret func(ctx context.Context, tenant, name string) (string, error)
}

// Config reads the config of a stored site. That of a tenant who is not trusted may not name files, programs or
// addresses of the operator's: see package guard.
func (o Opener) Config(s store.Site) (cfg *config.Config, err error) {
	if s.Trusted {
		cfg, err = ParseConfig(o.Dir, s)
	} else {
		cfg, err = guard.Parse(configPath(o.Dir, s), s.Config, s.Body, guard.Rules{Allow: o.Allow})
	}

	if err == nil && !s.Trusted {
		cfg.Verify.Hosts = os.DevNull // what the worker's own hosts file says is not the tenant's
	}

	if err == nil && o.Secret != nil {
		cfg.ResolveWith(func(ctx context.Context, name string) (string, error) {
			return o.Secret(ctx, s.Tenant, name)
		})
	}

	return cfg, err
}

// configPath is where the config would be as a file.
func configPath(dir string, s store.Site) string {
	return filepath.Join(dir, filepath.FromSlash(s.Tenant), s.File)
}

// ParseConfig reads the config of a stored site as if it were a file of a directory.
func ParseConfig(dir string, s store.Site) (*config.Config, error) {
	return config.ParseOver(configPath(dir, s), s.Config, func(string) ([]byte, error) {
		if s.Defaults == "" {
			return nil, fs.ErrNotExist
		}
		return s.Body, nil
	})
}

// contextOf is the context of all that is done for a site. One of a tenant who is not trusted connects to public addresses
// only.
func (o Opener) contextOf(ctx context.Context, s store.Site) context.Context {
	ctx = context.WithValue(ctx, siteKey{}, s.ID)
	if s.Trusted {
		return ctx
	}
	return egress.With(ctx, egress.Rules{Allow: o.Allow})
}

// prepare reads what a site is opened with.
func (o Opener) prepare(ctx context.Context, s store.Site) (*config.Config, site.Options, error) {
	cfg, err := o.Config(s)
	if err != nil {
		return nil, site.Options{}, err
	}

	memory, err := o.memory(ctx, s.ID)
	if err != nil {
		return nil, site.Options{}, err
	}

	return cfg, o.options(s, memory), nil
}

func (o Opener) sharedOf(s store.Site) *site.Shared {
	if s.Trusted {
		return o.Shared
	}
	return o.Guests
}

// options are what a stored site is opened with.
func (o Opener) options(s store.Site, state site.State) site.Options {
	return site.Options{
		Logger: o.Log.With("tenant", s.Tenant),
		Shared: o.sharedOf(s),
		State:  state,
		Backend: store.Ledger{
			DB:   o.DB,
			Site: s.ID,
			Name: s.Name,
		},
	}
}

// memory is what a site remembers, read before a look and written after it, together with what the look found.
type memory struct {
	kept    map[string][]byte
	changed map[string][]byte
}

// Read implements site.State.
func (m *memory) Read(name string) ([]byte, error) {
	if data, changed := m.changed[name]; changed {
		return data, nil
	}
	return m.kept[name], nil
}

// Write implements site.State.
func (m *memory) Write(name string, data []byte) error {
	m.changed[name] = data
	return nil
}

func (o Opener) memory(ctx context.Context, id int64) (*memory, error) {
	kept, err := o.DB.States(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("state of site %d: %w", id, err)
	}
	return &memory{kept: kept, changed: map[string][]byte{}}, nil
}

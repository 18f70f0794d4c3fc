package queue

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
)

// Opener opens the stored sites.
type Opener struct {
	DB  *store.DB
	Log *slog.Logger
	// Dir is where relative paths of the operator's own configs are looked up. Nobody else's have any.
	Dir string
	// Shared is what the sites of a process have in common.
	Shared *site.Shared
}

// Config reads the config of a stored site.
func (o Opener) Config(s store.Site) (*config.Config, error) {
	return ParseConfig(o.Dir, s)
}

// ParseConfig reads the config of a stored site as if it were a file of a directory.
func ParseConfig(dir string, s store.Site) (*config.Config, error) {
	path := filepath.Join(dir, filepath.FromSlash(s.Tenant), s.File)
	return config.ParseOver(path, s.Config, func(string) ([]byte, error) {
		if s.Defaults == "" {
			return nil, fs.ErrNotExist
		}
		return s.Body, nil
	})
}

// contextOf is the context of all that is done for a site.
func (o Opener) contextOf(ctx context.Context, s store.Site) context.Context {
	return context.WithValue(ctx, siteKey{}, s.ID)
}

// options are what a stored site is opened with.
func (o Opener) options(s store.Site, state site.State) site.Options {
	return site.Options{
		Logger: o.Log.With("tenant", s.Tenant),
		Shared: o.Shared,
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

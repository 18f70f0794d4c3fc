package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/ledger"
)

// Export writes the sites of a tenant, and of those below it, as files, which "mailpub watch DIR" takes up: those of the
// tenant itself into the directory, the others into folders that are called as they are. The sites stay in the fleet.
func Export(ctx context.Context, db *store.DB, dir, tenant string) ([]Outcome, error) {
	sites, err := db.Sites(ctx, tenant)
	if err != nil {
		return nil, err
	}

	outcomes := make([]Outcome, 0, len(sites))
	for _, s := range sites {
		if err := ctx.Err(); err != nil {
			return outcomes, err
		}

		below := strings.Trim(strings.TrimPrefix(s.Tenant, tenant), "/")
		file := filepath.Join(dir, filepath.FromSlash(below), s.File)
		outcomes = append(outcomes, Outcome{
			File: file,
			Site: s.Path(),
			Done: "written",
			Err:  exportSite(ctx, db, s, dir, file),
		})
	}

	return outcomes, nil
}

func exportSite(ctx context.Context, db *store.DB, s store.Site, root, file string) error {
	c, err := db.Carry(ctx, s)
	if err != nil {
		return err
	}

	if err := durable.MakePrivate(filepath.Dir(file)); err != nil {
		return err
	}
	if err := writeInside(root, file, s.Config); err != nil {
		return err
	}

	if s.Defaults != "" {
		if err := writeInside(root, filepath.Join(filepath.Dir(file), s.Defaults), s.Body); err != nil {
			return err
		}
	}

	cfg, err := config.Load(file)
	if err != nil {
		return fmt.Errorf("its ledger was not written: %w", err)
	}

	return writeState(root, site.StateDir(cfg), s, c)
}

// writeState writes what is known of a site beside its config, under the lock of its files.
func writeState(root, dir string, s store.Site, c store.Carried) error {
	if err := inside(root, dir); err != nil {
		return err
	}

	files := site.StateFiles{Dir: dir, Site: s.Name}
	all := map[string][]byte{}
	if c.Ledger != nil {
		all[ledger.Path(dir, s.Name)] = c.Ledger
	}

	for name, doc := range c.States {
		all[files.Path(name)] = doc
	}

	if len(c.History) > 0 {
		past := fleet.HistoryDir(dir)
		if err := durable.MakePrivate(past); err != nil {
			return err
		}
		all[history.Path(past, s.Name)] = []byte(strings.Join(c.History, "\n") + "\n")
	}

	if err := durable.MakePrivate(dir); err != nil {
		return err
	}

	for path, data := range all {
		if err := durable.Replace(path, data); err != nil {
			return err
		}
	}

	return site.Unmark(dir, s.Name)
}

// inside refuses what is not below a directory: an export writes nowhere else.
func inside(root, path string) error {
	base, err := filepath.Abs(root)
	if err != nil {
		return err
	}

	full, err := filepath.Abs(path)
	if err != nil {
		return err
	}

	below, err := filepath.Rel(base, full)
	if err != nil || below == ".." || strings.HasPrefix(below, ".."+string(filepath.Separator)) {
		return fmt.Errorf("%s is not in %s: export writes nothing there", path, root)
	}

	return nil
}

// writeInside writes a file that is below a directory, unless it says the same.
func writeInside(root, path string, data []byte) error {
	if err := inside(root, path); err != nil {
		return err
	}

	is, err := os.ReadFile(path)
	switch {
	case err == nil && string(is) == string(data):
		return nil
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}

	if err := durable.MakePrivate(filepath.Dir(path)); err != nil {
		return err
	}

	return durable.Replace(path, data)
}

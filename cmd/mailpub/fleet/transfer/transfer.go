// Package transfer moves sites from the files of one machine into a fleet's database, and back: the same files, to the
// octet.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/ledger"
)

// Options say what is imported.
type Options struct {
	Tenant string
	DryRun bool
	// Check says why a tenant may not have a config; nil asks nothing.
	Check func(data []byte, cfg *config.Config) error
	// Audit notes in the same transaction what was done; nil notes nothing.
	Audit func(ctx context.Context, tx pgx.Tx, act string, s store.Site) error
}

// Outcome is what became of a site.
type Outcome struct {
	File string
	Site string // its path; "" where the config is wrong
	Done string // Added, Changed, Unchanged; "" where Err says why not
	Err  error
}

// What becomes of a site.
const (
	Added     = "added"
	Changed   = "changed"
	Unchanged = "unchanged"
)

// stateNames are what a site remembers in files.
var stateNames = []string{site.StateWatch, site.StateSent, site.StateMessages}

// Import takes the sites of a directory into the fleet, each under the lock of its files, and says for each what became of
// it. Those that are taken in have a mark beside their ledger, so that file commands say where the site lives. To import
// again changes nothing.
func Import(ctx context.Context, db *store.DB, dir string, o Options) ([]Outcome, error) {
	files, err := fleet.Files([]string{dir})
	if err != nil {
		return nil, err
	}

	if len(files) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, fleet.ErrNoSites)
	}

	outcomes := make([]Outcome, 0, len(files))
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return outcomes, err
		}
		outcomes = append(outcomes, importSite(ctx, db, file, o))
	}

	return outcomes, nil
}

func importSite(ctx context.Context, db *store.DB, file string, o Options) (out Outcome) {
	out.File = file
	data, err := os.ReadFile(file)
	if err != nil {
		out.Err = err
		return out
	}

	cfg, err := config.Load(file)
	if err == nil {
		out.Site = store.SitePath(o.Tenant, cfg.Site)
		err = canMove(cfg)
	}

	if err == nil && o.Check != nil {
		err = o.Check(data, cfg)
	}

	if err != nil {
		out.Err = err
		return out
	}

	out.Done, out.Err = moveIn(ctx, db, cfg, data, o)
	return out
}

// canMove says why a site has to stay with its machine.
func canMove(cfg *config.Config) error {
	switch {
	case cfg.Router.Protocol != "none":
		return fmt.Errorf("router.protocol is %q: its forwards and leases are kept from the LAN, by mailpub watch there; want none",
			cfg.Router.Protocol)
	case cfg.Service.Type != "manual" && cfg.Service.Type != "mdaemon":
		return fmt.Errorf("service.type is %q: it is set on the mail server's own machine; want manual", cfg.Service.Type)
	case cfg.Server.DANE.Certificate != "" && cfg.Server.DANE.Certificate != "served":
		return errors.New("server.dane.certificate is a file of this machine; want served")
	}

	for _, d := range cfg.Domains {
		if len(d.DKIM) > 0 {
			return fmt.Errorf("domain %s has its DKIM key in a file of this machine", d.Name)
		}
	}

	return nil
}

// moveIn takes a site in under the lock of its files.
func moveIn(ctx context.Context, db *store.DB, cfg *config.Config, data []byte, o Options) (done string, err error) {
	dir := site.StateDir(cfg)
	if !o.DryRun {
		lock, err := (ledger.Files{Dir: dir, Site: cfg.Site}).Lock(ctx, 10*time.Second)
		if err != nil {
			return "", err
		}
		defer lock.Unlock()
	}

	c, err := readFiles(cfg, data, o.Tenant)
	if err != nil {
		return "", err
	}

	done, err = put(ctx, db, c, o)
	if err != nil || o.DryRun {
		return done, err
	}

	return done, site.MarkMoved(dir, cfg.Site, c.Site.Path())
}

// errDryRun takes a transaction back.
var errDryRun = errors.New("nothing is to be changed")

func put(ctx context.Context, db *store.DB, c *store.Carried, o Options) (done string, err error) {
	done = Unchanged
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		if err := store.AddTenant(ctx, tx, o.Tenant); err != nil {
			return err
		}

		before := c.Site.Rev
		changed, err := store.PutCarried(ctx, tx, c)
		switch {
		case err != nil:
			return err
		case changed && c.Site.Rev <= 1 && before == 0:
			done = Added
		case changed:
			done = Changed
		}

		if changed && o.Audit != nil {
			if err := o.Audit(ctx, tx, "import", c.Site); err != nil {
				return err
			}
		}

		if o.DryRun {
			return errDryRun
		}

		return nil
	})

	if errors.Is(err, errDryRun) {
		err = nil
	}

	return done, err
}

// readFiles gathers what the files say of a site.
func readFiles(cfg *config.Config, data []byte, tenant string) (*store.Carried, error) {
	s, err := Describe(cfg, data)
	if err != nil {
		return nil, err
	}

	s.Tenant = tenant
	if cfg.Defaults != "" {
		s.Defaults = cfg.Defaults
		if s.Body, err = os.ReadFile(cfg.Path(cfg.Defaults)); err != nil {
			return nil, err
		}
	}

	dir := site.StateDir(cfg)
	c := &store.Carried{Site: s, States: map[string][]byte{}}
	if moved := site.CheckMoved(dir, cfg.Site); errors.Is(moved, site.ErrMoved) { // the database knows more of it than the files
		return c, nil
	}

	if c.Ledger, err = optional(ledger.Path(dir, cfg.Site)); err != nil {
		return nil, err
	}

	files := site.StateFiles{Dir: dir, Site: cfg.Site}
	for _, name := range stateNames {
		kept, err := files.Read(name)
		if err != nil {
			return nil, err
		}
		if kept != nil {
			c.States[name] = kept
		}
	}

	past, err := optional(history.Path(fleet.HistoryDir(dir), cfg.Site))
	if err != nil {
		return nil, err
	}

	for line := range strings.Lines(string(past)) {
		c.History = append(c.History, strings.TrimSuffix(line, "\n"))
	}

	return c, nil
}

// Describe is a site as its config describes it.
func Describe(cfg *config.Config, data []byte) (store.Site, error) {
	spec := cfg.PlanSite()
	s := store.Site{
		Name:   cfg.Site,
		File:   filepath.Base(cfg.File),
		Config: data,
		Host:   strings.TrimSuffix(spec.Host, "."),
		Every:  cfg.Watch.Every,
	}

	for _, d := range cfg.Domains {
		s.Domains = append(s.Domains, strings.TrimSuffix(d.Name, "."))
	}

	return s, nil
}

func optional(path string) ([]byte, error) {
	data, err := durable.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Package transfer moves sites from the files of one machine into a fleet's database, and back: the same files, to the
// octet.
package transfer

import (
	"bytes"
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
	// StopAt is how many sites may fail before a wave stops; 0: 1. AtOnce has changed defaults take effect for all sites
	// at once instead.
	StopAt int
	AtOnce bool
	By     store.Actor
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
	Waiting   = "waiting for its turn in a wave" // its defaults have changed
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

	i := importer{Options: o, db: db, waves: map[change][]int64{}}
	outcomes := make([]Outcome, 0, len(files))
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return outcomes, err
		}
		outcomes = append(outcomes, i.site(ctx, file))
	}

	return outcomes, i.startWaves(ctx)
}

// importer imports the sites of a directory.
type importer struct {
	Options
	db    *store.DB
	waves map[change][]int64 // sites of which only the defaults have changed
}

// change is a new version of a file of defaults.
type change struct {
	name string
	rev  int64
}

// startWaves has changed defaults go to a few of their sites first.
func (i importer) startWaves(ctx context.Context) error {
	if i.DryRun {
		return nil
	}

	return i.db.InTx(ctx, func(tx pgx.Tx) error {
		for c, sites := range i.waves {
			w := store.Wave{
				Tenant:   i.Tenant,
				Defaults: c.name,
				ToRev:    c.rev,
				StopAt:   i.StopAt,
				By:       i.By,
			}
			if err := store.StartWave(ctx, tx, &w, sites); err != nil {
				return err
			}
		}
		return nil
	})
}

func (i importer) site(ctx context.Context, file string) (out Outcome) {
	out.File = file
	data, err := os.ReadFile(file)
	if err != nil {
		out.Err = err
		return out
	}

	cfg, err := config.Load(file)
	if err == nil {
		out.Site = store.SitePath(i.Tenant, cfg.Site)
		err = canMove(cfg)
	}

	if err == nil && i.Check != nil {
		err = i.Check(data, cfg)
	}

	if err != nil {
		out.Err = err
		return out
	}

	out.Done, out.Err = i.moveIn(ctx, cfg, data)
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
func (i importer) moveIn(ctx context.Context, cfg *config.Config, data []byte) (done string, err error) {
	dir := site.StateDir(cfg)
	if !i.DryRun {
		lock, err := (ledger.Files{Dir: dir, Site: cfg.Site}).Lock(ctx, 10*time.Second)
		if err != nil {
			return "", err
		}
		defer lock.Unlock()
	}

	c, err := readFiles(cfg, data, i.Tenant)
	if err != nil {
		return "", err
	}

	done, err = i.put(ctx, c)
	if err != nil || i.DryRun {
		return done, err
	}

	return done, site.MarkMoved(dir, cfg.Site, c.Site.Path())
}

// errDryRun takes a transaction back.
var errDryRun = errors.New("nothing is to be changed")

func (i importer) put(ctx context.Context, c *store.Carried) (done string, err error) {
	done = Unchanged
	err = i.db.InTx(ctx, func(tx pgx.Tx) error {
		if err := store.AddTenant(ctx, tx, i.Tenant); err != nil {
			return err
		}

		done, err = i.take(ctx, tx, c)
		if err == nil && done != Unchanged && i.Audit != nil {
			err = i.Audit(ctx, tx, "site.import", c.Site)
		}

		if err == nil && i.DryRun {
			err = errDryRun
		}

		return err
	})

	if errors.Is(err, errDryRun) {
		err = nil
	}

	return done, err
}

// take takes a site in. One of which only the defaults have changed waits for its turn.
func (i importer) take(ctx context.Context, tx pgx.Tx, c *store.Carried) (done string, err error) {
	was, err := store.SiteIn(ctx, tx, c.Site.Tenant, c.Site.Name)
	known := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}

	if known && !i.AtOnce && onlyDefaults(was, c.Site) {
		rev, err := store.PutDefaults(ctx, tx, c.Site.Tenant, c.Site.Defaults, c.Site.Body)
		key := change{c.Site.Defaults, rev}
		i.waves[key] = append(i.waves[key], was.ID)
		c.Site = was
		return Waiting, err
	}

	changed, err := store.PutCarried(ctx, tx, c)
	switch {
	case err != nil:
		return "", err
	case !known:
		return Added, nil
	case changed:
		return Changed, nil
	}

	return Unchanged, nil
}

// onlyDefaults reports whether a site differs from what it was in the text of its defaults alone.
func onlyDefaults(was, is store.Site) bool {
	return was.Defaults != "" && was.Defaults == is.Defaults && was.File == is.File && bytes.Equal(was.Config, is.Config) &&
		!bytes.Equal(was.Body, is.Body)
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

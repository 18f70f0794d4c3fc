// Package console carries out the commands of "mailpub fleet" that work on the database itself, for its operator, and says
// what became of them.
//
// What people are allowed to do goes through package api.
package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/guard"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/queue"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/seal"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/transfer"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

// DatabaseVariable is the variable of the environment that names the database where the command line does not.
const DatabaseVariable = "MAILPUB_DATABASE"

// ErrNoDatabase means that no database was named: then nothing of a fleet is begun.
var ErrNoDatabase = errors.New("no database: name it by --database or " + DatabaseVariable +
	", as postgres://USER@HOST/DATABASE or as a reference like file:PATH")

// URL is that of the database: as it stands, or as a reference to where it is kept.
func URL(ctx context.Context, given string) (string, error) {
	if given == "" {
		given = os.Getenv(DatabaseVariable)
	}

	switch {
	case given == "":
		return "", ErrNoDatabase
	case config.IsReference(given):
		return config.Resolve(ctx, given, "")
	}

	return given, nil
}

// Open opens the database. command names the process for others.
func Open(ctx context.Context, database, command string) (*store.DB, error) {
	url, err := URL(ctx, database)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, url, store.Who("fleet "+command))
}

// Migrate brings the database's tables to this program's version.
func Migrate(ctx context.Context, u *term.UI, database string) error {
	url, err := URL(ctx, database)
	if err != nil {
		return err
	}

	db, err := store.Connect(ctx, url, store.Who("fleet migrate"))
	if err != nil {
		return err
	}
	defer db.Close()

	done, err := db.Migrate(ctx)
	if err != nil {
		return err
	}

	switch {
	case u.JSON:
		return u.PrintJSON(map[string]any{"from": done.From, "to": done.To, "migrations": done.Names})
	case len(done.Names) == 0 && done.River == 0:
		fmt.Fprintf(u.Out, "No changes: the tables have version %d.\n", done.To)
	default:
		fmt.Fprintf(u.Out, "The tables have version %d now (was %d): %s.\n", done.To, done.From, strings.Join(done.Names, ", "))
	}

	return nil
}

// ErrNotAll means that some of the sites could not be moved; each was said.
var ErrNotAll = errors.New("not every site was moved")

// ImportDir takes the sites of a directory into the fleet.
func ImportDir(ctx context.Context, u *term.UI, db *store.DB, dir string, o transfer.Options) error {
	t, err := db.TenantAt(ctx, o.Tenant)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}

	if !t.Trusted {
		o.Check = func(_ []byte, cfg *config.Config) error {
			if problems := guard.Check(cfg, guard.Rules{}); len(problems) > 0 {
				return problems
			}
			return nil
		}
	}

	o.By = store.Operator("command line").Actor
	o.Audit = func(ctx context.Context, tx pgx.Tx, act string, s store.Site) error {
		return store.Audit(ctx, tx, store.AuditEntry{
			By:     o.By,
			Tenant: s.Tenant,
			Site:   s.Path(),
			Act:    act,
			After:  s.Digest,
		})
	}

	outcomes, err := transfer.Import(ctx, db, dir, o)
	if err := show(u, outcomes); err != nil {
		return err
	}
	return errors.Join(err, notAll(outcomes))
}

// ExportDir writes the sites of a tenant as files.
func ExportDir(ctx context.Context, u *term.UI, db *store.DB, dir, tenant string) error {
	outcomes, err := transfer.Export(ctx, db, dir, tenant)
	if err := show(u, outcomes); err != nil {
		return err
	}
	return errors.Join(err, notAll(outcomes))
}

func notAll(outcomes []transfer.Outcome) error {
	for _, o := range outcomes {
		if o.Err != nil {
			return ErrNotAll
		}
	}
	return nil
}

// show says what became of each site. Many that went alike are one line.
func show(u *term.UI, outcomes []transfer.Outcome) error {
	if u.JSON {
		return showJSON(u, outcomes)
	}

	count := map[string]int{}
	var order []string
	for _, o := range outcomes {
		if o.Err != nil {
			fmt.Fprintf(u.Out, "%s: refused: %v\n", o.File, o.Err)
			o.Done = "refused"
		}
		if count[o.Done] == 0 {
			order = append(order, o.Done)
		}
		count[o.Done]++
	}

	parts := make([]string, 0, len(order))
	for _, done := range order {
		parts = append(parts, fmt.Sprintf("%d %s", count[done], done))
	}

	_, err := fmt.Fprintf(u.Out, "%s: %s.\n", term.Count(len(outcomes), "site"), strings.Join(parts, ", "))
	return err
}

func showJSON(u *term.UI, outcomes []transfer.Outcome) error {
	type line struct {
		File  string `json:"file"`
		Site  string `json:"site,omitempty"`
		Done  string `json:"done,omitempty"`
		Error string `json:"error,omitempty"`
	}

	lines := make([]line, 0, len(outcomes))
	for _, o := range outcomes {
		l := line{
			File: o.File,
			Site: o.Site,
			Done: o.Done,
		}
		if o.Err != nil {
			l.Error = o.Err.Error()
		}
		lines = append(lines, l)
	}

	return u.PrintJSON(lines)
}

// KeyVariable is the variable of the environment that refers to the operator's key where the command line does not.
const KeyVariable = "MAILPUB_FLEET_KEY"

// WorkOptions say how a worker works.
type WorkOptions struct {
	Looks   int
	Dir     string // of the relative paths of the operator's own configs
	Key     string // a reference to the operator's key
	Allow   []string
	Version string
	Log     *slog.Logger
}

// operatorKey reads the operator's key, where there is one.
func operatorKey(ctx context.Context, reference string) (k seal.Key, ok bool, err error) {
	if reference = cmp.Or(reference, os.Getenv(KeyVariable)); reference == "" {
		return k, false, nil
	}
	if !config.IsReference(reference) {
		return k, false, errors.New("the key is a secret: name it by a reference like file:PATH or env:NAME")
	}

	text, err := config.Resolve(ctx, reference, "")
	if err != nil {
		return k, false, err
	}

	k, err = seal.ParseKey(text)
	return k, err == nil, err
}

// prefixes reads ranges of addresses.
func prefixes(texts []string) (all []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--allow is %q, want a range like 192.0.2.0/24", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// Work does the fleet's jobs until ctx is done.
func Work(ctx context.Context, db *store.DB, o WorkOptions) error {
	allow, err := prefixes(o.Allow)
	if err != nil {
		return err
	}

	k, has, err := operatorKey(ctx, o.Key)
	if err != nil {
		return err
	}

	w := &queue.Worker{
		Opener: queue.Opener{
			DB:    db,
			Log:   o.Log,
			Dir:   o.Dir,
			Allow: allow,
		},
		Looks:   o.Looks,
		Version: o.Version,
		Policy:  db.ApprovalsFor,
	}
	if has {
		w.Secret = store.Secrets{DB: db, Key: k}.Find
	}

	return w.Run(ctx)
}

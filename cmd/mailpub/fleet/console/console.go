// Package console carries out the commands of "mailpub fleet" that work on the database itself, for its operator, and says
// what became of them.
//
// What people are allowed to do goes through package api.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/queue"
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

// WorkOptions say how a worker works.
type WorkOptions struct {
	Looks   int
	Dir     string // of the relative paths of the operator's own configs
	Version string
	Log     *slog.Logger
}

// Work does the fleet's jobs until ctx is done.
func Work(ctx context.Context, db *store.DB, o WorkOptions) error {
	w := &queue.Worker{
		Opener: queue.Opener{
			DB:  db,
			Log: o.Log,
			Dir: o.Dir,
		},
		Looks:   o.Looks,
		Version: o.Version,
	}
	return w.Run(ctx)
}

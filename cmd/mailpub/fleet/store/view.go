package store

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
)

// What follows reads in a transaction, and so sees no more than the transaction's role: see As. Outside of one the
// operator's role sees all.

// SiteState is a site in a list.
type SiteState struct {
	ID      int64
	Tenant  string
	Name    string
	Host    string
	Domains []string
	Rev     int64
	Wrong   string
	State   history.State
	At      *time.Time // of the last look; nil: there was none
	Since   *time.Time // of the state
}

// SiteFilter chooses sites.
type SiteFilter struct {
	Tenant string // and those below it; "" for all
	Search string // in path, host and domains
	State  int    // a history.State; -1 for any
	Offset int
	Limit  int
}

const listed = ` FROM site s LEFT JOIN look l ON l.site = s.id
	WHERE ($1 = '' OR s.tenant = $1 OR starts_with(s.tenant, $1 || '/'))
	AND ($2 = '' OR (s.tenant || '/' || s.name || ' ' || s.host || ' ' || s.domains) ILIKE $2) `

// pattern is the pattern of a search for a text.
func pattern(search string) string {
	if search == "" {
		return ""
	}
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(search) + "%"
}

// FindSites returns the sites that a filter chooses, those that are not well first.
func FindSites(ctx context.Context, tx pgx.Tx, f SiteFilter) ([]SiteState, error) {
	rows, err := tx.Query(ctx, `SELECT s.id, s.tenant, s.name, s.host, s.domains, s.rev, s.wrong, coalesce(l.state, 0), l.at, l.since`+
		listed+`AND ($3 < 0 OR coalesce(l.state, 0) = $3)
		ORDER BY (s.wrong <> '') DESC, array_position('{3,2,0,1}'::int[], coalesce(l.state, 0)::int), s.tenant, s.name OFFSET $4 LIMIT $5`,
		f.Tenant, pattern(f.Search), f.State, f.Offset, f.Limit)
	if err != nil {
		return nil, err
	}

	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s SiteState, err error) {
		var domains string
		err = row.Scan(&s.ID, &s.Tenant, &s.Name, &s.Host, &domains, &s.Rev, &s.Wrong, &s.State, &s.At, &s.Since)
		s.Domains = strings.Fields(domains)
		return s, err
	})
}

// CountSites counts the sites that a filter chooses by state, whatever state the filter has.
func CountSites(ctx context.Context, tx pgx.Tx, f SiteFilter) (map[history.State]int, error) {
	rows, err := tx.Query(ctx, "SELECT coalesce(l.state, 0), count(*)"+listed+"GROUP BY 1", f.Tenant, pattern(f.Search))
	if err != nil {
		return nil, err
	}

	all := map[history.State]int{}
	var state history.State
	var n int
	_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error {
		all[state] = n
		return nil
	})

	return all, err
}

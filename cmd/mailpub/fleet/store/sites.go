package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Site is a site with its config, as the administrator wrote it.
type Site struct {
	ID       int64
	Tenant   string
	Name     string
	File     string // name of the config file
	Config   []byte
	Rev      int64  // counts the versions of the config
	Digest   string // of the config and its defaults
	Defaults string // name of the file of defaults; "" for none
	DefRev   int64  // which version of it the site has
	Body     []byte // of the defaults

	Host     string // the mail host
	Domains  []string
	Every    time.Duration
	Accounts []string // accounts at DNS providers that it asks
	Wrong    string   // why the config can't be used as it is; "" where it can

	Trusted bool // the tenant is
}

// Path names a site for people: "reseller/customer/office".
func (s Site) Path() string { return SitePath(s.Tenant, s.Name) }

// SitePath is the path of a site of a tenant.
func SitePath(tenant, name string) string {
	if tenant == "" {
		return name
	}
	return tenant + "/" + name
}

// SplitPath is the reverse of SitePath.
func SplitPath(path string) (tenant, name string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// DigestOf stands for a config with its defaults.
func DigestOf(config, defaults []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", len(config))
	h.Write(config)
	h.Write(defaults)
	return hex.EncodeToString(h.Sum(nil))
}

const siteColumns = `s.id, s.tenant, s.name, s.file, s.config, s.rev, s.digest, coalesce(s.defaults, ''),
	coalesce(s.defaults_rev, 0), d.body, s.host, s.domains, s.every, s.accounts, s.wrong, t.trusted`

const siteTables = ` FROM site s JOIN tenant t ON t.path = s.tenant
	LEFT JOIN defaults d ON d.tenant = s.tenant AND d.name = s.defaults AND d.rev = s.defaults_rev `

func scanSite(row pgx.Row) (s Site, err error) {
	var domains string
	err = row.Scan(&s.ID, &s.Tenant, &s.Name, &s.File, &s.Config, &s.Rev, &s.Digest,
		&s.Defaults, &s.DefRev, &s.Body,
		&s.Host, &domains, &s.Every, &s.Accounts, &s.Wrong, &s.Trusted)
	s.Domains = strings.Fields(domains)
	return s, err
}

// Site returns a site by its id.
func (db *DB) Site(ctx context.Context, id int64) (Site, error) { return SiteByID(ctx, db.Pool, id) }

// SiteIn returns a site as it is in a transaction.
func SiteIn(ctx context.Context, tx pgx.Tx, tenant, name string) (Site, error) {
	s, err := scanSite(tx.QueryRow(ctx, "SELECT "+siteColumns+siteTables+"WHERE s.tenant = $1 AND s.name = $2", tenant, name))
	return s, found(err, "site %s", SitePath(tenant, name))
}

// Sites returns the sites of a tenant and of those below it, by path.
func (db *DB) Sites(ctx context.Context, tenant string) ([]Site, error) {
	rows, err := db.Pool.Query(ctx, "SELECT "+siteColumns+siteTables+
		"WHERE s.tenant = $1 OR $1 = '' OR starts_with(s.tenant, $1 || '/') ORDER BY s.tenant, s.name", tenant)

	if err != nil {
		return nil, err
	}

	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Site, error) {
		return scanSite(row)
	})
}

// ErrRev means that a config was changed by another one since it was read.
var ErrRev = errors.New("the config was changed meanwhile")

// PutSite adds a site, or replaces its config where that has the version ifRev (0: whatever it has). It is looked at
// at once. It fills in the site's id, version and digest, and reports whether anything changed.
func PutSite(ctx context.Context, tx pgx.Tx, s *Site, ifRev int64) (changed bool, err error) {
	if s.Defaults != "" {
		if s.DefRev, err = PutDefaults(ctx, tx, s.Tenant, s.Defaults, s.Body); err != nil {
			return false, err
		}
	}

	s.Digest = DigestOf(s.Config, s.Body)
	was, err := lockSite(ctx, tx, s.Tenant, s.Name)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return true, insertSite(ctx, tx, s)
	case err != nil:
		return false, err
	case ifRev != 0 && ifRev != was.Rev:
		return false, fmt.Errorf("site %s: %w (it has version %d, not %d)", s.Path(), ErrRev,
			was.Rev, ifRev)
	}

	s.ID = was.ID
	s.Rev = was.Rev
	if s.Digest == was.Digest && s.File == was.File && s.Wrong == was.Wrong {
		return false, nil
	}

	const update = `UPDATE site SET file = $2, config = $3, rev = rev + 1, digest = $4, defaults = nullif($5, ''),
		defaults_rev = nullif($6::bigint, 0), host = $7, domains = $8, every = $9, accounts = $10, wrong = $11
		WHERE id = $1 RETURNING rev`

	err = tx.QueryRow(ctx, update, s.ID, s.File, s.Config, s.Digest, s.Defaults, s.DefRev,
		s.Host,
		strings.Join(s.Domains, " "), s.Every, nonNil(s.Accounts), s.Wrong).Scan(&s.Rev)

	if err != nil {
		return false, err
	}

	return true, Ask(ctx, tx, s.ID, PriorityNews, "its config changed")
}

func lockSite(ctx context.Context, tx pgx.Tx, tenant, name string) (s Site, err error) {
	const lock = "SELECT id, rev, digest, file, wrong FROM site WHERE tenant = $1 AND name = $2 FOR UPDATE"
	err = tx.QueryRow(ctx, lock, tenant, name).Scan(&s.ID, &s.Rev, &s.Digest, &s.File, &s.Wrong)
	return s, err
}

func insertSite(ctx context.Context, tx pgx.Tx, s *Site) error {
	const insert = `INSERT INTO site (tenant, name, file, config, digest, defaults, defaults_rev, host, domains, every,
		accounts, wrong)
		VALUES ($1, $2, $3, $4, $5, nullif($6, ''), nullif($7::bigint, 0), $8, $9, $10, $11, $12) RETURNING id, rev`

	err := tx.QueryRow(ctx, insert, s.Tenant, s.Name, s.File, s.Config, s.Digest, s.Defaults,
		s.DefRev, s.Host,
		strings.Join(s.Domains, " "), s.Every, nonNil(s.Accounts), s.Wrong).Scan(&s.ID, &s.Rev)

	if err != nil {
		return err
	}

	_, err = tx.Exec(ctx, "INSERT INTO due (site, tenant, priority, why) VALUES ($1, $2, $3, 'it is new')",
		s.ID, s.Tenant,
		PriorityNews)

	return err
}

// PutDefaults keeps a version of a file of defaults, and returns its number. The same text is the same version.
func PutDefaults(ctx context.Context, tx pgx.Tx, tenant, name string, body []byte) (rev int64, err error) {
	const known = "SELECT rev FROM defaults WHERE tenant = $1 AND name = $2 AND body = $3 ORDER BY rev DESC LIMIT 1"
	err = tx.QueryRow(ctx, known, tenant, name, body).Scan(&rev)
	if !errors.Is(err, pgx.ErrNoRows) {
		return rev, err
	}

	const add = `INSERT INTO defaults (tenant, name, rev, body)
		SELECT $1, $2, coalesce(max(rev), 0) + 1, $3 FROM defaults WHERE tenant = $1 AND name = $2 RETURNING rev`

	err = tx.QueryRow(ctx, add, tenant, name, body).Scan(&rev)
	return rev, err
}

// DeleteSite forgets a site. What it has in DNS stays; destroy comes before.
func DeleteSite(ctx context.Context, tx pgx.Tx, id int64) error {
	done, err := tx.Exec(ctx, "DELETE FROM site WHERE id = $1", id)
	return mustChange(done, err, "site %d", id)
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// SiteByID returns a site.
func SiteByID(ctx context.Context, q querier, id int64) (Site, error) {
	s, err := scanSite(q.QueryRow(ctx, "SELECT "+siteColumns+siteTables+"WHERE s.id = $1", id))
	return s, found(err, "site %d", id)
}

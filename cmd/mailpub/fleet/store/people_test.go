//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/seal"
)

// must runs f in a transaction of the operator's.
func (db *DB) must(t testing.TB, f func(pgx.Tx) error) {
	t.Helper()
	if err := db.InTx(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func TestRoleAt(t *testing.T) {
	p := Principal{Grants: map[string]Role{"a": RoleView, "a/b": RoleApprove, "c": RoleAdmin}}
	for tenant, want := range map[string]Role{
		"": NoRole, "a": RoleView, "a/b": RoleApprove, "a/b/x": RoleApprove, "a/c": RoleView,
		"ab":    NoRole,
		"c/d/e": RoleAdmin, "d": NoRole,
	} {
		if got := p.RoleAt(tenant); got != want {
			t.Errorf("at %q: %v, want %v", tenant, got, want)
		}
	}

	if got := Operator("x").RoleAt("a/b"); got != RoleAdmin {
		t.Error(got)
	}

	if p.scope() != "/a,/a/b,/c" || Operator("x").scope() != "/" ||
		(Principal{}).scope() != "" {
		t.Errorf("%q", p.scope())
	}
}

// fixture is two tenants with everything that a tenant can have, told apart by a name.
func fixture(t testing.TB, db *DB) {
	ctx := context.Background()
	key, err := seal.ParseKey(seal.Generate())
	if err != nil {
		t.Fatal(err)
	}

	secrets := Secrets{DB: db, Key: key}
	for _, tenant := range []string{"one", "one/inner", "two", "onemore"} {
		db.must(t, func(tx pgx.Tx) error {
			if err := NewTenant(ctx, tx, tenant); err != nil {
				return err
			}

			id, err := PutPerson(ctx, tx, Person{Subject: tenant, Name: "person of " + tenant})
			if err != nil {
				return err
			}
			if err := PutMember(ctx, tx, id, tenant, RoleAdmin); err != nil {
				return err
			}
			if _, err := NewToken(ctx, tx, &Token{
				Person: id,
				Tenant: tenant,
				Role:   RoleAdmin,
			}); err != nil {
				return err
			}
			if _, err := secrets.Put(ctx, tx, tenant, "tsig", []byte("word")); err != nil {
				return err
			}

			s := &Site{
				Tenant:   tenant,
				Name:     "office",
				File:     "office.yaml",
				Config:   []byte("x"),
				Defaults: "d.yaml",
				Body:     []byte("y"),
			}

			if _, err := PutSite(ctx, tx, s, 0); err != nil {
				return err
			}

			plan, err := WantPlan(ctx, tx, s.ID, KindApply, Actor{Person: id, Name: tenant})
			if err != nil {
				return err
			}

			for _, statement := range []string{
				"INSERT INTO approval (plan, person, by_name) VALUES ($2, $3, 'x')",
				"INSERT INTO ledger (site) VALUES ($1)",
				"INSERT INTO state (site, name, doc) VALUES ($1, 'watch', '{}')",
				"INSERT INTO look (site, state, at, took, next, digest, doc) VALUES ($1, 1, now(), '1 s', now(), '', '{}')",
				"INSERT INTO history (site, at, line) VALUES ($1, now(), 'x')",
				"INSERT INTO notice (site, channel, doc) VALUES ($1, 0, '{}')",
				"WITH w AS (INSERT INTO wave (tenant, defaults, to_rev, by_name) SELECT $4, 'd.yaml', 1, '' RETURNING id) INSERT INTO wave_site (wave, site, step) SELECT id, $1, 1 FROM w",
			} {
				statement = strings.NewReplacer("$1", fmt.Sprint(s.ID), "$2", fmt.Sprint(plan),
					"$3", fmt.Sprint(id), "$4", "'"+tenant+"'").Replace(statement)
				if _, err := tx.Exec(ctx, statement); err != nil {
					return fmt.Errorf("%s: %w", statement, err)
				}
			}

			return Audit(ctx, tx, AuditEntry{
				By: Actor{
					Person: id,
					Name:   "x",
				},
				Tenant: tenant,
				Act:    "test",
			})
		})
	}

	db.must(t, func(tx pgx.Tx) error {
		for _, s := range []string{
			"INSERT INTO account (id, provider, per_second, burst, tokens) VALUES ('a', 'x', 1, 1, 1)",
			"INSERT INTO worker (id, host, version, slots) VALUES ('w', 'x', 'x', 1)",
		} {
			if _, err := tx.Exec(ctx, s); err != nil {
				return err
			}
		}

		return nil
	})
}

// ofTenant counts the rows of each table that a tenant "one", with "one/inner", may see.
var ofTenant = map[string]int{
	"tenant": 2, "person": 2, "membership": 2, "token": 2, "account": 0, "defaults": 2,
	"site": 2, "due": 2, "ledger": 2,
	"look": 2, "history": 2, "plan": 2, "approval": 2, "wave": 2, "wave_site": 2, "worker": 0,
	"audit": 2, "secret": 2,
	"tenant_key": 2,
}

// hidden are tables of which the API sees nothing at all.
var hidden = []string{"state", "notice"}

// counts returns how many rows of each table a principal sees.
func (db *DB) counts(t testing.TB, p Principal) map[string]int {
	all := map[string]int{}
	err := db.As(t.Context(), p, func(tx pgx.Tx) error {
		for table := range ofTenant {
			column := "*"
			switch table {
			case "ledger":
				column = "site"
			case "secret":
				column = "name"
			}

			n := 0
			if err := tx.QueryRow(t.Context(),
				"SELECT count("+column+") FROM "+table).Scan(&n); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}

			all[table] = n
		}

		return nil
	})

	if err != nil {
		t.Fatal(err)
	}

	return all
}

// Whatever a query of the API asks for, it gets the rows of its own tenants. Every table is in the list.
func TestRowLevelSecurity(t *testing.T) {
	db := open(t)
	fixture(t, db)
	one := Principal{Grants: map[string]Role{"one": RoleView}}

	rows, err := db.Pool.Query(t.Context(), `SELECT c.relname, c.relrowsecurity FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'mailpub' AND c.relkind = 'r' ORDER BY 1`)

	if err != nil {
		t.Fatal(err)
	}

	var table string
	var secured bool
	if _, err := pgx.ForEachRow(rows, []any{&table, &secured}, func() error {
		_, listed := ofTenant[table]
		if table != "migration" && (!secured || !listed && !slices.Contains(hidden, table)) {
			t.Errorf("table %s: row-level security %v, in the test %v", table, secured, listed)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}

	for table, n := range db.counts(t, one) {
		if n != ofTenant[table] {
			t.Errorf("%s: sees %d rows, want %d", table, n, ofTenant[table])
		}
	}

	for table, n := range db.counts(t, Principal{}) {
		if n != 0 {
			t.Errorf("%s: nobody sees %d rows", table, n)
		}
	}

	for table, n := range db.counts(t, Operator("")) {
		if n < max(ofTenant[table], 1) {
			t.Errorf("%s: the operator sees %d rows", table, n)
		}
	}

	// The same without the wall: the test would notice.
	db.must(t, func(tx pgx.Tx) error {
		for table := range ofTenant {
			if _, err := tx.Exec(t.Context(),
				"ALTER TABLE "+table+" DISABLE ROW LEVEL SECURITY"); err != nil {
				return err
			}
		}
		return nil
	})

	for table, n := range db.counts(t, one) {
		if n == ofTenant[table] {
			t.Errorf("%s: the test does not notice that row-level security is off", table)
		}
	}
}

// The API's role reads no secret, changes no audit, trusts no tenant, and writes nothing of another tenant's.
func TestRightsOfAPI(t *testing.T) {
	db := open(t)
	fixture(t, db)
	one := Principal{Grants: map[string]Role{"one": RoleAdmin}}

	for _, statement := range []string{
		"SELECT sealed FROM secret", "SELECT * FROM secret", "SELECT doc FROM ledger",
		"SELECT * FROM state", "SELECT * FROM notice",
		"UPDATE audit SET by_name = 'x'", "DELETE FROM audit", "TRUNCATE audit",
		"INSERT INTO audit (by_name, means, tenant, act, former, hash) VALUES ('', '', 'one', '', '', '')",
		"UPDATE tenant SET trusted = true", "INSERT INTO tenant (path, trusted) VALUES ('one/x', true)",
		"UPDATE tenant SET path = 'two/x' WHERE path = 'one'",
		"INSERT INTO tenant (path) VALUES ('two/x')",
		"INSERT INTO tenant (path) VALUES ('three')",
		"INSERT INTO site (tenant, name, file, config, digest) VALUES ('two', 'x', 'x', '', '')",
		"UPDATE site SET tenant = 'two'",
		"INSERT INTO membership (person, tenant, role) VALUES (1, 'two', 'admin')",
		"INSERT INTO membership (person, tenant, role) VALUES (1, '', 'admin')",
		"UPDATE token SET role = 'admin'", "DELETE FROM person",
		"UPDATE account SET tokens = 1000", "DELETE FROM plan", "DELETE FROM approval",
		"ALTER TABLE site DISABLE ROW LEVEL SECURITY", "DROP TABLE site",
		"CREATE TABLE mailpub.x (y int)",
		"INSERT INTO secret (tenant, name, version, sealed) VALUES ('two', 'x', 1, '')",
		"INSERT INTO plan (site, kind, rev, by_name) VALUES ((SELECT max(id) FROM site) + 1, 'apply', 1, '')",
	} {
		err := db.As(t.Context(), one, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), statement)
			return err
		})
		if err == nil {
			t.Errorf("%s is allowed", statement)
		}
	}

	for _, statement := range []string{"UPDATE site SET config = 'hacked' WHERE tenant = 'two'",
		"DELETE FROM site WHERE tenant = 'two'",
		"DELETE FROM token WHERE tenant = 'two'",
		"DELETE FROM secret WHERE tenant = 'onemore'",
		"UPDATE tenant SET policy = '{}' WHERE path = 'two'",
		"UPDATE plan SET state = 'approved' WHERE site IN (SELECT id FROM site WHERE tenant = 'two')"} {
		err := db.As(t.Context(), one, func(tx pgx.Tx) error {
			done, err := tx.Exec(t.Context(), statement)
			if done.RowsAffected() != 0 {
				t.Errorf("%s changed %d rows", statement, done.RowsAffected())
			}
			return err
		})

		if err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// Audit entries that were changed, removed, moved, added or cut off are found; they can't be by who may add.
func TestAudit(t *testing.T) {
	db := open(t)
	ctx := t.Context()
	for i := range 6 {
		db.must(t, func(tx pgx.Tx) error {
			return Audit(ctx, tx, AuditEntry{
				By: Actor{
					Person: int64(i),
					Name:   "ünï: 7:x",
					Means:  "test",
				},
				Tenant: "a",
				Act:    fmt.Sprint("act ", i),
				Detail: map[string]string{"why": "because \"x\""},
			})
		})
	}

	end, n, err := db.VerifyAudit(ctx, Anchor{})
	if err != nil || n != 6 || end.ID == 0 {
		t.Fatalf("%v, %d, %v", end, n, err)
	}

	failed := errors.New("rolled back")
	if err := db.InTx(ctx, func(tx pgx.Tx) error {
		if err := Audit(ctx, tx, AuditEntry{Act: "gone"}); err != nil {
			return err
		}
		return failed
	}); !errors.Is(err, failed) {
		t.Fatal(err)
	}

	if again, n, err := db.VerifyAudit(ctx, end); err != nil || n != 6 || again.ID != end.ID {
		t.Errorf("after a rollback: %v, %d, %v", again, n, err)
	}

	if _, err := db.Pool.Exec(ctx, "DELETE FROM audit WHERE id = 3"); err == nil ||
		!strings.Contains(err.Error(), "only ever added to") {
		t.Errorf("a row was deleted: %v", err)
	}

	for name, statement := range map[string]string{
		"changed":  "UPDATE audit SET by_name = 'somebody else' WHERE id = 3",
		"dated":    "UPDATE audit SET at = at + interval '1 microsecond' WHERE id = 3",
		"person":   "UPDATE audit SET person = 9 WHERE id = 3",
		"detail":   "UPDATE audit SET detail = '{}' WHERE id = 3",
		"missing":  "DELETE FROM audit WHERE id = 3",
		"first":    "DELETE FROM audit WHERE id = (SELECT min(id) FROM audit)",
		"cut off":  "DELETE FROM audit WHERE id > 4",
		"moved":    "UPDATE audit SET id = CASE id WHEN 2 THEN 103 WHEN 3 THEN 102 ELSE id + 100 END",
		"emptied":  "DELETE FROM audit",
		"inserted": "INSERT INTO audit (by_name, means, tenant, act, former, hash) VALUES ('', '', '', '', '', '')",
	} {
		tx, err := db.Pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}

		if _, err := tx.Exec(ctx, "ALTER TABLE audit DISABLE TRIGGER fixed; ALTER TABLE audit ALTER id DROP IDENTITY IF EXISTS"); err != nil {
			t.Fatal(err)
		}

		if name == "inserted" {
			statement = strings.Replace(statement, "(by_name", "(id, by_name", 1)
			statement = strings.Replace(statement, "VALUES (", "VALUES (1000, ", 1)
		}

		if _, err := tx.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", name, err)
		}

		if _, _, err := verifyAudit(ctx, tx, end); err == nil {
			t.Errorf("%s: not found", name)
		}

		tx.Rollback(ctx)
	}
}

func TestTokens(t *testing.T) {
	db := open(t)
	ctx := t.Context()
	var text, late string
	var person int64
	soon := time.Now().Add(-time.Second)
	db.must(t, func(tx pgx.Tx) (err error) {
		if err := AddTenant(ctx, tx, "a/b"); err != nil {
			return err
		}
		if person, err = PutPerson(ctx, tx, Person{
			Subject: "mario",
			Name:    "Mario",
		}); err != nil {
			return err
		}
		if err := PutMember(ctx, tx, person, "a", RoleApprove); err != nil {
			return err
		}
		if text, err = NewToken(ctx, tx, &Token{
			Person: person,
			Tenant: "a/b",
			Role:   RoleAdmin,
		}); err != nil {
			return err
		}

		late, err = NewToken(ctx, tx, &Token{
			Person:  person,
			Tenant:  "a/b",
			Role:    RoleView,
			Expires: &soon,
		})

		return err
	})

	p, err := db.Login(ctx, text)
	if err != nil || p.Person != person || p.Name != "Mario" ||
		p.RoleAt("a/b") != RoleApprove || p.RoleAt("a") != NoRole {
		t.Errorf("%+v, %v: want the person's own role, below the token's tenant", p, err)
	}

	for _, bad := range []string{"", "x", late, text[:len(text)-1], text + "x",
		strings.ToUpper(text), TokenPrefix, strings.Replace(text, "_", "__", 1),
		text[len(TokenPrefix):]} {
		if p, err := db.Login(ctx, bad); !errors.Is(err, ErrLogin) || p.Person != 0 {
			t.Errorf("%q: %+v, %v", bad, p, err)
		}
	}

	var stored string
	if err := db.Pool.QueryRow(ctx, "SELECT string_agg(t::text, ' ') FROM token t").Scan(&stored); err != nil ||
		strings.Contains(stored, text) {
		t.Errorf("%s, %v", stored, err)
	}

	db.must(t, func(tx pgx.Tx) error {
		all, err := Tokens(ctx, tx, "a")
		if err != nil || len(all) != 2 || all[0].Used == nil && all[1].Used == nil {
			t.Errorf("%+v, %v", all, err)
		}
		return PutMember(ctx, tx, person, "a", NoRole)
	})

	if _, err := db.Login(ctx, text); !errors.Is(err, ErrLogin) {
		t.Errorf("who left can still log in: %v", err)
	}
}

func TestSecrets(t *testing.T) {
	db := open(t)
	ctx := t.Context()
	text := seal.Generate()
	key, _ := seal.ParseKey(text)
	fresh, _ := seal.ParseKey(seal.Generate())
	s := Secrets{DB: db, Key: key}
	put := func(tenant, name, value string) {
		db.must(t, func(tx pgx.Tx) error {
			if err := AddTenant(ctx, tx, tenant); err != nil {
				return err
			}
			_, err := s.Put(ctx, tx, tenant, name, []byte(value))
			return err
		})
	}

	put("a", "tsig", "first")
	put("a", "tsig", "second")
	put("b", "tsig", "other")

	for tenant, want := range map[string]string{"a": "second", "b": "other"} {
		if got, err := s.Find(ctx, tenant, "tsig"); got != want || err != nil {
			t.Errorf("%s: %q, %v", tenant, got, err)
		}
	}

	if got, err := s.Find(ctx, "a", "other"); err == nil {
		t.Error(got)
	}

	if got, err := s.Find(ctx, "a/below", "tsig"); err == nil {
		t.Errorf("the tenant above's: %q", got)
	}

	// Moved to another tenant or name by somebody with the database, it opens no more.
	tx, _ := db.Pool.Begin(ctx)
	tx.Exec(ctx, "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE tenant = 'a') WHERE tenant = 'b'")
	tx.Commit(ctx)
	if got, err := s.Find(ctx, "b", "tsig"); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("swapped: %q, %v", got, err)
	}

	if n, err := s.Rotate(ctx, fresh); n != 2 || err != nil {
		t.Fatal(n, err)
	}

	if _, err := s.Find(ctx, "a", "tsig"); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("under the old key: %v", err)
	}

	if got, err := (Secrets{db, fresh}).Find(ctx, "a", "tsig"); got != "second" || err != nil {
		t.Errorf("%q, %v", got, err)
	}

	if _, err := s.Rotate(ctx, key); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("rotated from the wrong key: %v", err)
	}

	if _, err := (Secrets{DB: db}).Find(ctx, "a", "tsig"); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
}

func TestApprovalRules(t *testing.T) {
	db := open(t)
	ctx := t.Context()
	db.must(t, func(tx pgx.Tx) error {
		if err := AddTenant(ctx, tx, "a/b"); err != nil {
			return err
		}
		if err := SetRules(ctx, tx, "a", ApprovalRules{Approvals: new(1)}); err != nil {
			return err
		}
		return SetRules(ctx, tx, "a/b", ApprovalRules{Special: new(2), Share: new(0.5)})
	})

	for _, c := range []struct {
		tenant, kind string
		made         Made
		want         int
	}{
		{"", KindApply, Made{Share: 0.3}, 0}, {"", KindApply, Made{Share: 0.31}, 1},
		{"", KindDestroy, Made{}, 1},
		{"", KindApply, Made{Adopts: true}, 1}, {"a", KindApply, Made{}, 1},
		{"a/b", KindApply, Made{Share: 0.5}, 1},
		{"a/b", KindApply, Made{Share: 0.6}, 2}, {"a/b", KindDestroy, Made{}, 2},
	} {
		if got, err := db.ApprovalsFor(ctx, c.tenant, c.made, c.kind); got != c.want ||
			err != nil {
			t.Errorf("%+v: %d, %v", c, got, err)
		}
	}

	for _, bad := range []string{`{"approvals": 3}`, `{"special": -1}`, `{"share": 2}`, `[]`,
		`{"approvals": "x"}`} {
		if _, err := DecodeRules([]byte(bad)); err == nil {
			t.Errorf("%s is a policy", bad)
		}
	}
}

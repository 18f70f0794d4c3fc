package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/history"
)

// Wave is a change of defaults that goes to one site, then to 1 % of them, to 10 %, and to the rest: each time when those
// before are well.
type Wave struct {
	ID       int64
	Tenant   string
	Defaults string // the file's name
	ToRev    int64
	Step     int
	State    string // WaveRunning, WaveStopped or WaveDone
	StopAt   int    // failures that stop it
	Why      string // it stopped
	By       Actor
	Created  time.Time

	Sites, Well, Failed int
}

// States of a wave.
const (
	WaveRunning = "running"
	WaveStopped = "stopped"
	WaveDone    = "done"
)

// steps are the parts of the sites that have the change after each step.
var steps = []float64{0, 0.01, 0.1, 1}

// stepOf is the step in which the i-th of n sites has its turn; the first is alone.
func stepOf(i, n int) int {
	for step, part := range steps {
		if i < max(int(part*float64(n)+0.999), step+1) {
			return step
		}
	}
	return len(steps) - 1
}

// StartWave has a version of defaults go to some sites, those first that are well. A wave of an older version of the same
// file stops; where one of this version runs, nothing is started.
func StartWave(ctx context.Context, tx pgx.Tx, w *Wave, sites []int64) error {
	const replace = `UPDATE wave SET state = 'stopped', why = 'a newer version has come' WHERE tenant = $1 AND defaults = $2
		AND to_rev <> $3 AND state = 'running'`
	if _, err := tx.Exec(ctx, replace, w.Tenant, w.Defaults, w.ToRev); err != nil {
		return err
	}

	var runs bool
	const same = `SELECT EXISTS (SELECT FROM wave WHERE tenant = $1 AND defaults = $2 AND to_rev = $3 AND state = 'running')`
	if err := tx.QueryRow(ctx, same, w.Tenant, w.Defaults, w.ToRev).Scan(&runs); err != nil || runs {
		return err
	}

	const start = `INSERT INTO wave (tenant, defaults, to_rev, stop_at, by_person, by_name)
		VALUES ($1, $2, $3, $4, nullif($5::bigint, 0), $6) RETURNING id, state, created`
	err := tx.QueryRow(ctx, start, w.Tenant, w.Defaults, w.ToRev, max(w.StopAt, 1), w.By.Person, w.By.Name).Scan(&w.ID, &w.State,
		&w.Created)
	if err != nil {
		return err
	}

	const order = `SELECT s.id, coalesce(l.state, 0) FROM site s LEFT JOIN look l ON l.site = s.id WHERE s.id = ANY ($1)
		ORDER BY l.state IS NULL, l.state = 0, l.state, s.id`
	rows, err := tx.Query(ctx, order, sites)
	if err != nil {
		return err
	}

	type member struct {
		ID  int64
		Was int16
	}
	members, err := collect[member](rows)
	if err != nil {
		return err
	}

	for i, m := range members {
		const add = "INSERT INTO wave_site (wave, site, step, was) VALUES ($1, $2, $3, $4)"
		if _, err := tx.Exec(ctx, add, w.ID, m.ID, stepOf(i, len(members)), m.Was); err != nil {
			return err
		}
	}

	w.Sites = len(members)
	return nil
}

const waveColumns = `w.id, w.tenant, w.defaults, w.to_rev, w.step, w.state, w.stop_at, w.why, w.created,
	(SELECT count(*) FROM wave_site m WHERE m.wave = w.id), (SELECT count(*) FROM wave_site m WHERE m.wave = w.id AND m.state = 'well'),
	(SELECT count(*) FROM wave_site m WHERE m.wave = w.id AND m.state = 'failed')`

func scanWave(row pgx.CollectableRow) (w Wave, err error) {
	err = row.Scan(&w.ID, &w.Tenant, &w.Defaults, &w.ToRev, &w.Step, &w.State, &w.StopAt, &w.Why, &w.Created, &w.Sites, &w.Well,
		&w.Failed)
	return w, err
}

// Waves are the waves of a tenant and those below it, the newest first.
func (db *DB) Waves(ctx context.Context, tenant string) ([]Wave, error) {
	rows, err := db.Pool.Query(ctx, "SELECT "+waveColumns+` FROM wave w
		WHERE w.tenant = $1 OR $1 = '' OR starts_with(w.tenant, $1 || '/') ORDER BY w.id DESC LIMIT 100`, tenant)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanWave)
}

// RunningWaves are those that go on, locked against others.
func RunningWaves(ctx context.Context, tx pgx.Tx) ([]Wave, error) {
	rows, err := tx.Query(ctx, "SELECT "+waveColumns+" FROM wave w WHERE w.state = 'running' ORDER BY w.id FOR UPDATE OF w")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanWave)
}

// Member is a site of a wave.
type Member struct {
	Site  int64
	Step  int
	State string
	Was   history.State // before the change
	Moved *time.Time
	Plan  int64 // 0: none yet

	Is     history.State // now
	Looked *time.Time
	Wrong  string // why its config can't be used
}

// Members are the sites of a wave's step.
func Members(ctx context.Context, tx pgx.Tx, wave int64, step int) ([]Member, error) {
	const list = `SELECT m.site, m.step, m.state, m.was, m.moved, coalesce(m.plan, 0), coalesce(l.state, 0), l.at + l.took,
		coalesce(l.doc ->> 'config_error', '')
		FROM wave_site m LEFT JOIN look l ON l.site = m.site WHERE m.wave = $1 AND m.step = $2 ORDER BY m.site`
	rows, err := tx.Query(ctx, list, wave, step)
	if err != nil {
		return nil, err
	}
	return collect[Member](rows)
}

// MoveMember gives a site the wave's version of the defaults.
func MoveMember(ctx context.Context, tx pgx.Tx, w Wave, site int64) error {
	var config, body []byte
	const read = `SELECT s.config, d.body FROM site s JOIN defaults d ON d.tenant = s.tenant AND d.name = $2 AND d.rev = $3
		WHERE s.id = $1 FOR UPDATE OF s`
	if err := tx.QueryRow(ctx, read, site, w.Defaults, w.ToRev).Scan(&config, &body); err != nil {
		return found(err, "version %d of %s for site %d", w.ToRev, w.Defaults, site)
	}

	const move = "UPDATE site SET defaults = $2, defaults_rev = $3, rev = rev + 1, digest = $4 WHERE id = $1"
	if _, err := tx.Exec(ctx, move, site, w.Defaults, w.ToRev, DigestOf(config, body)); err != nil {
		return err
	}
	if err := Ask(ctx, tx, site, PriorityNews, fmt.Sprintf("wave %d", w.ID)); err != nil {
		return err
	}

	_, err := tx.Exec(ctx, "UPDATE wave_site SET state = 'moved', moved = clock_timestamp() WHERE wave = $1 AND site = $2", w.ID, site)
	return err
}

// PlanMember notes the plan by which a site follows the wave.
func PlanMember(ctx context.Context, tx pgx.Tx, wave, site, plan int64) error {
	if _, err := tx.Exec(ctx, "UPDATE plan SET wave = $2 WHERE id = $1", plan, wave); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "UPDATE wave_site SET plan = $3 WHERE wave = $1 AND site = $2", wave, site, plan)
	return err
}

// EndMember notes that a site is well with the change, or why it is not.
func EndMember(ctx context.Context, tx pgx.Tx, wave, site int64, failed string) error {
	state := "well"
	if failed != "" {
		state = "failed"
	}
	_, err := tx.Exec(ctx, "UPDATE wave_site SET state = $3, error = $4 WHERE wave = $1 AND site = $2", wave, site, state, failed)
	return err
}

// AdvanceWave has the next step begin, or ends the wave where there is none.
func AdvanceWave(ctx context.Context, tx pgx.Tx, w Wave) error {
	const advance = `UPDATE wave SET step = step + 1, state = CASE WHEN step + 1 >= $2 THEN 'done' ELSE state END WHERE id = $1`
	_, err := tx.Exec(ctx, advance, w.ID, len(steps))
	return err
}

// StopWave stops a wave where it is. The sites that have the change keep it.
func StopWave(ctx context.Context, tx pgx.Tx, wave int64, why string) error {
	done, err := tx.Exec(ctx, "UPDATE wave SET state = 'stopped', why = $2 WHERE id = $1 AND state = 'running'", wave, why)
	return mustChange(done, err, "a running wave %d", wave)
}

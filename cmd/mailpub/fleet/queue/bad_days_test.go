//go:build linux

package queue

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/pgtest"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan"
)

// leaderID is the worker that leads; "" while none does.
func (f *farm) leaderID() (id string) {
	f.t.Helper()
	all, err := f.db.Workers(context.Background())
	if err != nil {
		return ""
	}
	for _, w := range all {
		if w.Leader {
			id = w.ID
		}
	}
	return id
}

func (f *farm) leadsNow(cmd *exec.Cmd) bool { return isOf(f.leaderID(), cmd) }

// isOf reports whether a worker's id, HOST-PID-RANDOM, is that of a process.
func isOf(id string, cmd *exec.Cmd) bool {
	return strings.Contains(id, fmt.Sprintf("-%d-", cmd.Process.Pid))
}

// Two workers share the sites; the one that leads is killed in the middle of its looks. There is another leader within
// 5 s, and what the dead one was at is looked at within 20 s.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	const sites = 24
	f := newFarm(t, pgtest.Database(t), sites)
	f.pause = 700 * time.Millisecond // so that looks take a few seconds
	for i := range sites {
		f.add("", i)
	}

	first := f.process()
	f.wait("the first leads", func() bool { return f.leadsNow(first) })
	second := f.process()
	f.wait("both have begun", func() bool { return f.running(first) > 0 && f.running(second) > 0 })

	first.Process.Kill()
	first.Wait()
	died := time.Now()
	held := f.running(first)
	if held == 0 {
		t.Fatal("the killed worker had no job")
	}

	f.wait("another leads", func() bool { return f.leadLock() })
	if took := time.Since(died); took > 5*time.Second {
		t.Errorf("another one leads after %v, want within 5 s", took)
	}

	f.wait("the jobs are taken over", func() bool { return f.running(first) == 0 })
	if took := time.Since(died); took > 20*time.Second {
		t.Errorf("its %d jobs were taken over after %v, want within 20 s", held, took)
	}

	f.wait("all are looked at", func() bool { return f.looked() == sites })
}

// running is how many jobs a process has begun and not ended.
func (f *farm) running(cmd *exec.Cmd) (n int) {
	f.t.Helper()
	rows, err := f.db.Pool.Query(context.Background(),
		"SELECT attempted_by[array_upper(attempted_by, 1)] FROM river.river_job WHERE state = 'running'")
	if err != nil {
		f.t.Fatal(err)
	}

	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.t.Fatal(err)
	}

	for _, id := range ids {
		if isOf(id, cmd) {
			n++
		}
	}

	return n
}

// leadLock reports whether somebody holds the leader's lock.
func (f *farm) leadLock() (held bool) {
	f.t.Helper()
	const q = `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = $1
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`
	if err := f.db.Pool.QueryRow(context.Background(), q, uint32(0x6d70_0002)).Scan(&held); err != nil {
		f.t.Fatal(err)
	}
	return held
}

// Workers are killed at any moment of an apply, again and again; then one lives. The plan was carried out exactly, and there is
// nothing left to do.
func TestApplyKilled(t *testing.T) {
	t.Parallel()
	const rounds = 3
	f := newFarm(t, pgtest.Database(t), rounds)
	f.pause = 50 * time.Millisecond
	for i := range rounds {
		id := f.add("", i)
		w := f.process()
		p := f.plan(id, store.KindApply)
		ctx := context.Background()
		if err := f.db.InTx(ctx, func(tx pgx.Tx) error {
			if _, err := store.StartApply(ctx, tx, p.ID); err != nil {
				return err
			}
			return f.client.Apply(ctx, tx, p.ID)
		}); err != nil {
			t.Fatal(err)
		}

		f.wait("it has begun", func() bool {
			p, err := f.db.Plan(ctx, p.ID)
			return err == nil && p.State != store.PlanApproved
		})
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		w.Process.Kill()
		w.Wait()

		next := f.process()
		if p = f.planIs(p.ID, store.PlanApplied, store.PlanFailed, store.PlanStale); p.State != store.PlanApplied {
			t.Fatalf("round %d: %s: %s", i, p.State, p.Error)
		}
		if got := f.records(zoneName(i), dns.TypeMX); len(got) != 1 {
			t.Errorf("round %d: MX %q", i, got)
		}
		if again := f.plan(id, store.KindApply); again.State != store.PlanEmpty {
			t.Errorf("round %d: a plan afterwards is %s: %s", i, again.State, again.Doc)
		}

		next.Process.Kill()
		next.Wait()
	}
}

// away adds an outage of that length to those of TestDatabaseAway: 180 s take longer than a test run has.
var away = flag.Duration("away", 0, "a further outage of the database to try")

// The database dies and comes back. Looks that were under way are done again, nobody else has died meanwhile, and a plan
// that was under way is carried out to its end.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	outages := []time.Duration{5 * time.Second, 40 * time.Second}
	if *away > 0 {
		outages = append(outages, *away)
	}

	for _, outage := range outages {
		t.Run(outage.String(), func(t *testing.T) {
			t.Parallel()
			server := pgtest.New(t)
			const sites = 6
			f := newFarm(t, server.URL("postgres"), sites)
			f.pause = 300 * time.Millisecond
			var ids []int64
			for i := range sites {
				ids = append(ids, f.add("", i))
			}

			f.worker()
			p := f.plan(ids[0], store.KindApply)
			ctx := context.Background()
			if err := f.db.InTx(ctx, func(tx pgx.Tx) error {
				if _, err := store.StartApply(ctx, tx, p.ID); err != nil {
					return err
				}
				return f.client.Apply(ctx, tx, p.ID)
			}); err != nil {
				t.Fatal(err)
			}

			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
			server.Stop("immediate")
			time.Sleep(outage)
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}

			f.wait("there is a connection again", func() bool { _, err := f.db.Now(ctx); return err == nil })
			if p = f.planIs(p.ID, store.PlanApplied, store.PlanFailed, store.PlanStale); p.State != store.PlanApplied {
				t.Errorf("the plan is %s: %s", p.State, p.Error)
			}

			f.elapse(10 * time.Minute)
			f.wait("all are looked at", func() bool { return f.looked() == sites })
			if again := f.plan(ids[0], store.KindApply); again.State != store.PlanEmpty {
				t.Errorf("a plan afterwards is %s: %s", again.State, again.Doc)
			}
		})
	}
}

// elapse makes what was put into the queue older.
func (f *farm) elapse(d time.Duration) {
	f.t.Helper()
	for _, statement := range []string{
		"UPDATE due SET queued_at = queued_at - $1::interval",
		"UPDATE plan SET changed = changed - $1::interval",
		"UPDATE notice SET made = made - $1::interval",
	} {
		if _, err := f.db.Pool.Exec(context.Background(), statement, d); err != nil {
			f.t.Fatal(err)
		}
	}
}

// River's table is emptied in the middle of a pass. Nothing is lost: it is put there again.
func TestQueueEmptied(t *testing.T) {
	t.Parallel()
	const sites = 12
	f := newFarm(t, pgtest.Database(t), sites)
	f.pause = 300 * time.Millisecond
	var ids []int64
	for i := range sites {
		ids = append(ids, f.add("", i))
	}

	ctx := context.Background()
	var wanted int64
	if err := f.db.InTx(ctx, func(tx pgx.Tx) (err error) { // asked for, and its job lost
		wanted, err = store.WantPlan(ctx, tx, ids[0], store.KindApply, store.Actor{Name: "tester"})
		return err
	}); err != nil {
		t.Fatal(err)
	}

	stop := f.worker()
	f.wait("some are looked at", func() bool { return f.looked() > 0 })
	if _, err := f.db.Pool.Exec(ctx, "TRUNCATE river.river_job"); err != nil {
		t.Fatal(err)
	}

	stop()
	f.elapse(10 * time.Minute)
	f.worker()
	f.wait("all are looked at", func() bool { return f.looked() == sites })
	f.planIs(wanted, store.PlanPlanned)
}

// A worker that has lost its lock and does not know it writes nothing more: neither the ledger nor DNS.
func TestZombieWritesNothing(t *testing.T) {
	t.Parallel()
	f := newFarm(t, pgtest.Database(t), 1)
	id := f.add("", 0)
	ctx := context.Background()
	s, err := f.db.Site(ctx, id)
	if err != nil {
		t.Fatal(err)
	}

	o := Opener{DB: f.db, Log: slog.New(slog.DiscardHandler), Shared: &site.Shared{}}
	cfg, err := o.Config(s)
	if err != nil {
		t.Fatal(err)
	}

	memory, err := o.memory(ctx, id)
	if err != nil {
		t.Fatal(err)
	}

	lock, err := site.NewLock(ctx, cfg, o.options(s, memory))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()

	opened, err := lock.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}

	p, err := opened.Plan(ctx)
	if err != nil {
		t.Fatal(err)
	}

	const end = `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND objsubid = 2
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	if _, err := f.db.Pool.Exec(ctx, end, uint32(id)); err != nil {
		t.Fatal(err)
	}

	serial := f.records("z0.example", dns.TypeSOA)
	if err := opened.Apply(ctx, p, false); !errors.Is(err, plan.ErrLockLost) {
		t.Errorf("error %v, want ErrLockLost", err)
	}
	if after := f.records("z0.example", dns.TypeSOA); len(after) != 1 || after[0] != serial[0] {
		t.Errorf("the zone was written: %q, was %q", after, serial)
	}
}

// The database is restored as it was before an apply. The records are there, the ledger does not know them: the next plan
// takes them up as they are and writes nothing.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	f := newFarm(t, server.URL("postgres"), 1)
	id := f.add("", 0)
	stop := f.worker()
	f.wait("it is looked at", func() bool { return f.looked() == 1 })
	stop()
	server.Stop("fast")
	server.Backup(t)
	f.restart(server)

	stop = f.worker()
	if p := f.apply(f.plan(id, store.KindApply).ID); p.State != store.PlanApplied {
		t.Fatalf("%s: %s", p.State, p.Error)
	}

	stop()
	server.Stop("fast")
	server.Restore(t)
	f.restart(server)

	f.worker()
	serial := f.records("z0.example", dns.TypeSOA)
	p := f.plan(id, store.KindApply)
	if p.State != store.PlanPlanned {
		t.Fatalf("%s: %s", p.State, p.Error)
	}
	if p = f.apply(p.ID); p.State != store.PlanApplied || p.Done != 0 {
		t.Errorf("%s after %d changes: %s", p.State, p.Done, p.Error)
	}
	if after := f.records("z0.example", dns.TypeSOA); after[0] != serial[0] {
		t.Errorf("the zone was written: %q, was %q", after, serial)
	}
	if again := f.plan(id, store.KindApply); again.State != store.PlanEmpty {
		t.Errorf("then a plan is %s: %s", again.State, again.Doc)
	}
}

// restart starts the server of the farm's database again. What was connected to it before is of no more use.
func (f *farm) restart(server *pgtest.Server) {
	f.t.Helper()
	if err := server.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.db.Pool.Reset()
}

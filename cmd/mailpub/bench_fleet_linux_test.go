package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/pgtest"
)

// BenchmarkFleet is one pass of a fleet over sites with a zone of ten records each at a BIND on loopback: two workers and a
// PostgreSQL of its own. Beside it, in turn, "watch --once" over the same files, and River alone with as many jobs that do
// nothing.
func BenchmarkFleet(b *testing.B) {
	for _, sites := range benchSizes(b) {
		b.Run(strconv.Itoa(sites), func(b *testing.B) { benchFleet(b, sites) })
	}
}

func benchFleet(b *testing.B, sites int) {
	dir := sitesAtBIND(b, sites)
	bin := build(b, ".")
	server := pgtest.New(b)
	env := append(os.Environ(), "MAILPUB_TSIG_KEY="+benchSecret, "MAILPUB_DATABASE="+server.URL("postgres"))
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(context.Background(), bin, args...)
		cmd.Env = env
		return cmd
	}

	took(b, command("fleet", "migrate"))
	from := time.Now()
	took(b, command("fleet", "import", dir))
	imported := time.Since(from)
	pool, err := pgxpool.New(b.Context(), server.URL("postgres"))
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()

	var fleet, watch, bare benchPass
	for range min(b.N, 1) { // one takes long enough
		fleet.add(fleetPass(b, command, server, pool, sites))
		watch.add(watchPass(b, command, copyOf(b, dir)))
		bare.add(riverPass(b, server, pool, sites))
	}

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(imported.Seconds(), "s/import")
	b.ReportMetric(fleet.wall.Seconds(), "s/pass")
	b.ReportMetric(fleet.cpu.Seconds(), "cpu-s/pass")
	b.ReportMetric(fleet.database.Seconds(), "cpu-s/database")
	b.ReportMetric(fleet.memory, "MiB/worker")
	b.ReportMetric(watch.wall.Seconds(), "s/watch")
	b.ReportMetric(watch.cpu.Seconds(), "cpu-s/watch")
	b.ReportMetric((fleet.cpu+fleet.database).Seconds()/watch.cpu.Seconds(), "x-watch")
	b.ReportMetric(float64(sites)/bare.wall.Seconds(), "River-jobs/s")
}

// benchPass is what passes took.
type benchPass struct {
	wall, cpu, database time.Duration
	memory              float64 // MiB, at most
}

func (p *benchPass) add(other benchPass) {
	p.wall += other.wall
	p.cpu += other.cpu
	p.database += other.database
	p.memory = max(p.memory, other.memory)
}

// fleetPass has two workers look at every site once.
func fleetPass(b *testing.B, command func(...string) *exec.Cmd, server *pgtest.Server, pool *pgxpool.Pool, sites int) (p benchPass) {
	b.Helper()
	for _, statement := range []string{"DELETE FROM mailpub.look", "UPDATE mailpub.due SET next = now(), queued_at = NULL"} {
		if _, err := pool.Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}

	before := server.CPU(b)
	from := time.Now()
	var workers []*exec.Cmd
	for range 2 {
		cmd := command("fleet", "work", "--looks", "32")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		workers = append(workers, cmd)
	}

	for looked := 0; looked < sites; time.Sleep(100 * time.Millisecond) {
		if err := pool.QueryRow(b.Context(), "SELECT count(*) FROM mailpub.look").Scan(&looked); err != nil {
			b.Fatal(err)
		}
	}

	p.wall = time.Since(from)
	p.database = server.CPU(b) - before
	for _, cmd := range workers {
		p.cpu += cpuOf(b, cmd.Process.Pid)
		p.memory = max(p.memory, memoryOf(b, cmd.Process.Pid))
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}

	return p
}

// watchPass is "watch --once" over the same sites.
func watchPass(b *testing.B, command func(...string) *exec.Cmd, dir string) (p benchPass) {
	b.Helper()
	cmd := command("watch", "--once", "--log", "json", dir)
	var out bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = &out
	from := time.Now()
	_ = cmd.Run() // what is not well is told
	p.wall = time.Since(from)
	p.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if !strings.Contains(out.String(), "\nbench-") {
		b.Fatalf("nothing was looked at:\n%s", out.String()[:min(out.Len(), 3000)])
	}
	return p
}

// copyOf is a copy of the files, for file commands: the others are a fleet's now.
func copyOf(b *testing.B, dir string) string {
	b.Helper()
	to := b.TempDir()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		b.Fatal(err)
	}

	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), data, 0o600); err != nil {
			b.Fatal(err)
		}
	}

	return to
}

// nothing is a job that does nothing.
type nothing struct {
	N int `json:"n"`
}

func (nothing) Kind() string { return "nothing" }

// riverPass has River alone carry as many jobs.
func riverPass(b *testing.B, server *pgtest.Server, pool *pgxpool.Pool, jobs int) (p benchPass) {
	b.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[nothing]) error { return nil }))
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema:  "river",
		Queues:  map[string]river.QueueConfig{"bare": {MaxWorkers: 64}},
		Workers: workers,
	})
	if err != nil {
		b.Fatal(err)
	}

	all := make([]river.InsertManyParams, jobs)
	for i := range all {
		all[i] = river.InsertManyParams{Args: nothing{i}, InsertOpts: &river.InsertOpts{Queue: "bare"}}
	}

	from := time.Now()
	if _, err := client.InsertManyFast(b.Context(), all); err != nil {
		b.Fatal(err)
	}
	if err := client.Start(b.Context()); err != nil {
		b.Fatal(err)
	}

	for left := 1; left > 0; time.Sleep(20 * time.Millisecond) {
		const q = "SELECT count(*) FROM river.river_job WHERE queue = 'bare' AND state <> 'completed'"
		if err := pool.QueryRow(b.Context(), q).Scan(&left); err != nil && err != pgx.ErrNoRows {
			b.Fatal(err)
		}
	}

	p.wall = time.Since(from)
	if err := client.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, err := pool.Exec(b.Context(), "DELETE FROM river.river_job WHERE queue = 'bare'"); err != nil {
		b.Fatal(err)
	}

	return p
}

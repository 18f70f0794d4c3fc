//go:build linux

package queue

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/pgtest"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// wave has a version of the defaults go to sites, and returns the wave when it has ended.
func (f *farm) wave(body string, sites []int64) (w store.Wave) {
	f.t.Helper()
	ctx := context.Background()
	err := f.db.InTx(ctx, func(tx pgx.Tx) error {
		rev, err := store.PutDefaults(ctx, tx, "", "common.yml", []byte(body))
		if err != nil {
			return err
		}
		w = store.Wave{Defaults: "common.yml", ToRev: rev, By: store.Actor{Name: "tester"}}
		return store.StartWave(ctx, tx, &w, sites)
	})
	if err != nil {
		f.t.Fatal(err)
	}

	id := w.ID
	f.wait("the wave has ended", func() bool {
		all, err := f.db.Waves(ctx, "")
		if err != nil {
			f.t.Fatal(err)
		}
		for _, w = range all {
			if w.ID == id {
				return w.State != store.WaveRunning
			}
		}
		return false
	})

	return w
}

// have counts the sites that have a version of the defaults.
func (f *farm) have(rev int64) (n int) {
	f.t.Helper()
	if err := f.db.Pool.QueryRow(context.Background(), "SELECT count(*) FROM site WHERE defaults_rev = $1", rev).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// A change of defaults goes to one site first. One that breaks it stops there; one that does not goes to all.
func TestWave(t *testing.T) {
	t.Parallel()
	const n = 4
	f := newFarm(t, pgtest.Database(t), n)
	f.defaults = "verify: {patience: 5s}\n"
	var sites []int64
	for i := range n {
		sites = append(sites, f.add("", i))
	}

	f.worker()
	f.wait("all are looked at", func() bool { return f.looked() == n })

	bad := f.wave("verify: {patience: never}\n", sites)
	if bad.State != store.WaveStopped || bad.Failed != 1 || bad.Why == "" || f.have(bad.ToRev) != 1 {
		t.Errorf("%+v, %d sites have it", bad, f.have(bad.ToRev))
	}

	good := f.wave("verify: {patience: 7s}\n", sites)
	if good.State != store.WaveDone || good.Well != n || f.have(good.ToRev) != n {
		t.Errorf("%+v, %d sites have it", good, f.have(good.ToRev))
	}
}

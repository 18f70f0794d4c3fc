package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// lookTime bounds a look with its repairs.
const lookTime = 90 * time.Second

// looker looks at sites. It implements river.Worker.
type looker struct {
	river.WorkerDefaults[LookArgs]
	Opener
	client *Client
}

// Timeout implements river.Worker.
func (looker) Timeout(*river.Job[LookArgs]) time.Duration { return lookTime }

// Work implements river.Worker. What a look finds is written at its end, with all that follows; a worker that dies in it
// leaves no more than what its repairs wrote to the ledger, and the look is done again.
func (w looker) Work(ctx context.Context, job *river.Job[LookArgs]) error {
	s, err := w.DB.Site(ctx, job.Args.Site)
	if errors.Is(err, store.ErrNotFound) {
		return river.JobCancel(err) // it left the fleet
	}
	if err != nil {
		return err
	}

	asked, err := w.DB.Asked(ctx, s.ID)
	if err != nil {
		return err
	}

	l, err := w.look(w.contextOf(ctx, s), s)
	if err != nil {
		return err
	}

	l.Asked = asked
	return w.DB.InTx(context.WithoutCancel(ctx), func(tx pgx.Tx) error {
		if err := store.SaveLook(ctx, tx, l); err != nil {
			return err
		}

		jobs := make([]river.InsertManyParams, 0, len(l.Notices))
		for _, n := range l.Notices {
			jobs = append(jobs, tellJob(n.ID))
		}

		return w.client.insert(ctx, tx, jobs...)
	})
}

// look looks at a site, repairs it, and returns what there is to write.
func (w looker) look(ctx context.Context, s store.Site) (*store.Look, error) {
	cfg, err := w.Config(s)
	if err != nil {
		return w.wrong(s, err), nil
	}

	memory, err := w.memory(ctx, s.ID)
	if err != nil {
		return nil, err
	}

	seen := &recorder{}
	snapshot, err := w.pass(ctx, s, cfg, memory, seen)
	if err != nil {
		return nil, err
	}

	valid := snapshot.Took + time.Minute + snapshot.Next.Sub(snapshot.At)
	state := page.StateOf(snapshot)
	lines := []string{history.StateLine(snapshot.At, state, valid)}
	for _, e := range seen.events {
		lines = append(lines, history.EventLine(e))
	}

	return &store.Look{
		Site:     s.ID,
		Snapshot: snapshot,
		State:    state,
		States:   memory.changed,
		Lines:    lines,
		At:       snapshot.At,
		Notices:  seen.notices,
	}, nil
}

// pass is a pass of watch, which is told everything through seen.
func (w looker) pass(ctx context.Context, s store.Site, cfg *config.Config, m *memory, seen *recorder) (watch.Snapshot, error) {
	o := w.options(s, m)
	monitor := site.NewMonitor(cfg, o)
	monitor.KeepMessages(s.Digest)

	of := fleet.NewSite(cfg, s.Digest, monitor)
	of.File = s.File
	of.Memory = fleet.WatchState{State: m}
	of.Busy = func() bool { return o.Backend.Locked(ctx) }
	for i := range cfg.Watch.Notify {
		of.Channels = append(of.Channels, seen.channel(i))
	}

	d := &watch.Daemon{
		Observers: []watch.Observer{seen},
		Logger:    o.Logger,
		Passes:    1,
	}

	return d.Pass(ctx, of)
}

// wrong is what is found of a site whose config can't be used.
func (w looker) wrong(s store.Site, err error) *store.Look {
	now := time.Now()
	snapshot := watch.Snapshot{
		Site:   s.Name,
		File:   s.File,
		Host:   s.Host,
		At:     now,
		Next:   now.Add(max(s.Every, time.Minute)),
		Config: err,
	}

	return &store.Look{
		Site:     s.ID,
		Snapshot: snapshot,
		State:    page.StateOf(snapshot),
	}
}

// recorder hears what a pass tells. It implements watch.Observer.
type recorder struct {
	mu      sync.Mutex
	events  []watch.Event
	notices []store.Notice
}

// Seen implements watch.Observer: Pass returns the snapshot.
func (*recorder) Seen(watch.Snapshot) {}

// Happened implements watch.Observer.
func (r *recorder) Happened(e watch.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// channel notes what a channel is to be told; a job of its own tells it.
func (r *recorder) channel(i int) watch.Channel {
	return watch.Channel{
		Name: fmt.Sprintf("watch.notify[%d]", i),
		Send: func(_ context.Context, n watch.Notice) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.notices = append(r.notices, store.Notice{Channel: i, Notice: n})
			return nil
		},
	}
}

package queue

import (
	"context"
	"errors"
	"time"

	"github.com/riverqueue/river"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/history"
)

// tellTime bounds one try to send a notice.
const tellTime = 30 * time.Second

// teller sends notices. It implements river.Worker.
type teller struct {
	river.WorkerDefaults[TellArgs]
	Opener
}

// Timeout implements river.Worker.
func (teller) Timeout(*river.Job[TellArgs]) time.Duration { return tellTime }

// NextRetry implements river.Worker: the pauses are those of watch.
func (teller) NextRetry(job *river.Job[TellArgs]) time.Time {
	pauses := []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
	return time.Now().Add(pauses[min(max(job.Attempt, 1), len(pauses))-1])
}

// Work implements river.Worker. A notice is told at most once more than it was taken: a worker may die between the two.
func (w teller) Work(ctx context.Context, job *river.Job[TellArgs]) error {
	n, err := w.DB.TakeNotice(ctx, job.Args.Notice)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}

	err = w.send(ctx, n)
	if err != nil && job.Attempt < job.MaxAttempts {
		return err
	}

	if err != nil {
		w.Log.Warn("a notice was given up", "site", n.Notice.Site, "channel", n.Channel, "error", err)
	}

	return w.DB.EndNotice(context.WithoutCancel(ctx), n.ID, err)
}

func (w teller) send(ctx context.Context, n store.Notice) error {
	s, err := w.DB.Site(ctx, n.Site)
	if err != nil {
		return err
	}

	ctx = w.contextOf(ctx, s)
	cfg, err := w.Config(s)
	if err != nil {
		return err
	}

	channels, err := fleet.Channels(ctx, cfg)
	if err != nil {
		return err
	}

	if n.Channel >= len(channels) {
		return errors.New("the config no longer has this channel")
	}

	return channels[n.Channel].Send(ctx, n.Notice)
}

// tidier has the store forget.
type tidier struct {
	river.WorkerDefaults[TidyArgs]
	db *store.DB
}

// Timeout implements river.Worker.
func (tidier) Timeout(*river.Job[TidyArgs]) time.Duration { return 5 * time.Minute }

// Work implements river.Worker.
func (w tidier) Work(ctx context.Context, _ *river.Job[TidyArgs]) error {
	return w.db.Tidy(ctx, history.Keep)
}

package queue

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
)

// Slots of a worker.
const (
	DefaultLooks = 64
	peopleSlots  = 8
	noticeSlots  = 16
)

// Worker does a fleet's jobs, and stands by to lead it.
type Worker struct {
	Opener
	Looks   int // at the same time; 0: DefaultLooks
	Version string
	Policy  ApprovalPolicy // nil: no plan needs an approval

	id   string
	self store.Worker
	lead leader
}

// stopTime is how long jobs that are under way have when the worker is to end.
const stopTime = 20 * time.Second

// Run works until ctx is done. A database that goes away is waited for.
func (w *Worker) Run(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}

	if w.Looks == 0 {
		w.Looks = DefaultLooks
	}

	w.id = fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:6])
	w.self = store.Worker{
		ID:      w.id,
		Host:    host,
		Version: w.Version,
		Slots:   w.Looks,
	}

	accounts := &budgets{db: w.DB}
	w.Shared = &site.Shared{Budgets: accounts.Of}
	w.Guests = &site.Shared{Budgets: accounts.Of}

	client, err := w.client()
	if err != nil {
		return err
	}

	if err := w.DB.Beat(ctx, w.self); err != nil { // before it works, else what it does would be taken from it
		return err
	}

	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}

	w.Log.Info("working", "worker", w.id, "looks", w.Looks)
	w.lead = leader{
		db:     w.DB,
		log:    w.Log,
		client: &Client{client},
	}

	var loops sync.WaitGroup
	loops.Go(func() { w.beat(ctx) })
	loops.Go(func() { w.lead.run(ctx) })
	loops.Go(func() { w.closeIdle(ctx) })
	<-ctx.Done()
	loops.Wait()
	return w.stop(ctx, client)
}

// client is River's, with what does the jobs.
func (w *Worker) client() (*river.Client[riverTx], error) {
	workers := river.NewWorkers()
	own := &Client{}
	err := errors.Join(
		river.AddWorkerSafely(workers, looker{Opener: w.Opener, client: own}),
		river.AddWorkerSafely(workers, planner{Opener: w.Opener, policy: w.Policy}),
		river.AddWorkerSafely(workers, applier{Opener: w.Opener}),
		river.AddWorkerSafely(workers, teller{Opener: w.Opener}),
		river.AddWorkerSafely(workers, tidier{db: w.DB}),
	)
	if err != nil {
		return nil, err
	}

	client, err := river.NewClient(riverpgxv5.New(w.DB.Pool), &river.Config{
		ID:     w.id,
		Schema: store.RiverSchema,
		Logger: slog.New(slog.DiscardHandler), // that the database is away is said once, by beat

		ErrorHandler: jobErrors{w.Log},
		Queues: map[string]river.QueueConfig{
			queueLooks:   {MaxWorkers: w.Looks},
			queuePeople:  {MaxWorkers: peopleSlots},
			queueNotices: {MaxWorkers: noticeSlots},
			queueHouse:   {MaxWorkers: 1},
		},
		Workers:                     workers,
		JobTimeout:                  lookTime,
		RescueStuckJobsAfter:        lookTime + 5*time.Second,
		CompletedJobRetentionPeriod: 15 * time.Minute,
	})
	if err != nil {
		return nil, err
	}

	own.river = client
	return client, nil
}

// stop lets what is under way end, and breaks it off after a while: it is done again by another worker.
func (w *Worker) stop(ctx context.Context, client *river.Client[riverTx]) error {
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()

	err := client.Stop(rest)
	if errors.Is(err, context.DeadlineExceeded) {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		err = client.StopAndCancel(hard)
	}

	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), store.BeatEvery)
	defer cancelLast()
	return errors.Join(err, w.DB.Leave(last, w.id))
}

// closeIdle closes connections that nobody has used for a while.
func (w *Worker) closeIdle(ctx context.Context) {
	for ctx.Err() == nil {
		sleep(ctx, time.Minute)
		w.Shared.CloseIdle()
		w.Guests.CloseIdle()
	}
}

// beat says again and again that the worker lives.
func (w *Worker) beat(ctx context.Context) {
	every := time.NewTicker(store.BeatEvery)
	defer every.Stop()

	silent := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}

		self := w.self
		self.Leader = w.lead.leads.Load()
		bounded, cancel := context.WithTimeout(ctx, store.BeatEvery)
		err := w.DB.Beat(bounded, self)
		cancel()

		if (err != nil) != silent && ctx.Err() == nil {
			silent = err != nil
			if silent {
				w.Log.Warn("no connection to the database; working continues once it is back", "error", err)
			} else {
				w.Log.Info("the database is back")
			}
		}
	}
}

// jobErrors tells of jobs that failed. It implements river.ErrorHandler.
type jobErrors struct{ log *slog.Logger }

// HandleError implements river.ErrorHandler.
func (f jobErrors) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	level := slog.LevelWarn
	if job.Attempt < job.MaxAttempts {
		level = slog.LevelDebug // it is tried again
	}
	f.log.Log(ctx, level, "a job failed", "kind", job.Kind, "args", string(job.EncodedArgs), "attempt", job.Attempt, "error", err)
	return nil
}

// HandlePanic implements river.ErrorHandler.
func (f jobErrors) HandlePanic(_ context.Context, job *rivertype.JobRow, value any, trace string) *river.ErrorHandlerResult {
	f.log.Error("a job ended in a panic: please report this", "kind", job.Kind, "args", string(job.EncodedArgs), "panic", value,
		"trace", trace)
	return nil
}

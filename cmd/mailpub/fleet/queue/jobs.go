// Package queue does a fleet's work: it looks at sites when they are due, makes and applies plans that people ask for,
// and sends notices. River (github.com/riverqueue/river) carries the jobs from the process that has them done to the one
// that does them.
//
// What is to be done is in package store, and River's tables may be emptied at any time: what was lost is put there again.
// How a site is looked at is in packages watch and site, as for a single machine.
package queue

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

// River's queues: each kind of work has slots of its own, so that what people ask for waits for no schedule.
const (
	queueLooks   = "looks"
	queuePeople  = "people"
	queueNotices = "notices"
	queueHouse   = "house"
)

// LookArgs is a look at a site, with the repairs that its config allows.
type LookArgs struct {
	Site int64  `json:"site"`
	Why  string `json:"why,omitempty"`
}

// Kind implements river.JobArgs.
func (LookArgs) Kind() string { return "look" }

// PlanArgs has a stored plan made.
type PlanArgs struct {
	Plan int64 `json:"plan"`
}

// Kind implements river.JobArgs.
func (PlanArgs) Kind() string { return "plan" }

// ApplyArgs has a stored plan applied.
type ApplyArgs struct {
	Plan int64 `json:"plan"`
}

// Kind implements river.JobArgs.
func (ApplyArgs) Kind() string { return "apply" }

// TellArgs has a notice sent.
type TellArgs struct {
	Notice int64 `json:"notice"`
}

// Kind implements river.JobArgs.
func (TellArgs) Kind() string { return "tell" }

// TidyArgs has the store forget what is older than it is kept.
type TidyArgs struct{}

// Kind implements river.JobArgs.
func (TidyArgs) Kind() string { return "tidy" }

// Tries of jobs. A look that failed is done again when it is due; the tries are for workers that died.
const (
	lookTries   = 3
	planTries   = 3
	applyTries  = 10
	noticeTries = 5
)

// unfinished are the states in which a job is still to be done. One that is there in one of them is not put there twice.
var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable,
	rivertype.JobStatePending,
	rivertype.JobStateRetryable,
	rivertype.JobStateRunning,
	rivertype.JobStateScheduled,
}

func once() river.UniqueOpts { return river.UniqueOpts{ByArgs: true, ByState: unfinished} }

func lookJob(d store.DueSite) river.InsertManyParams {
	return river.InsertManyParams{
		Args: LookArgs{Site: d.Site, Why: d.Why},
		InsertOpts: &river.InsertOpts{
			Queue:       queueLooks,
			Priority:    d.Priority,
			MaxAttempts: lookTries,
		},
	}
}

func planJob(id int64) river.InsertManyParams {
	return river.InsertManyParams{
		Args: PlanArgs{Plan: id},
		InsertOpts: &river.InsertOpts{
			Queue:       queuePeople,
			Priority:    1,
			MaxAttempts: planTries,
			UniqueOpts:  once(),
		},
	}
}

func applyJob(id int64) river.InsertManyParams {
	return river.InsertManyParams{
		Args: ApplyArgs{Plan: id},
		InsertOpts: &river.InsertOpts{
			Queue:       queuePeople,
			Priority:    1,
			MaxAttempts: applyTries,
			UniqueOpts:  once(),
		},
	}
}

func tellJob(id int64) river.InsertManyParams {
	return river.InsertManyParams{
		Args: TellArgs{Notice: id},
		InsertOpts: &river.InsertOpts{
			Queue:       queueNotices,
			Priority:    2,
			MaxAttempts: noticeTries,
			UniqueOpts:  once(),
		},
	}
}

func tidyJob() river.InsertManyParams {
	return river.InsertManyParams{
		Args: TidyArgs{},
		InsertOpts: &river.InsertOpts{
			Queue:       queueHouse,
			Priority:    4,
			MaxAttempts: 3,
			UniqueOpts:  river.UniqueOpts{ByPeriod: 12 * time.Hour, ByState: append(unfinished, rivertype.JobStateCompleted)},
		},
	}
}

// Client puts jobs into the queue, together with what they are about: in the caller's transaction.
type Client struct{ river *river.Client[pgx.Tx] }

// NewClient returns a client that does no work itself.
func NewClient(db *store.DB) (*Client, error) {
	c, err := river.NewClient(riverpgxv5.New(db.Pool), &river.Config{Schema: store.RiverSchema})
	return &Client{c}, err
}

func (c *Client) insert(ctx context.Context, tx pgx.Tx, jobs ...river.InsertManyParams) error {
	if len(jobs) == 0 {
		return nil
	}
	_, err := c.river.InsertManyTx(ctx, tx, jobs)
	return err
}

// Plan has a stored plan made.
func (c *Client) Plan(ctx context.Context, tx pgx.Tx, id int64) error {
	return c.insert(ctx, tx, planJob(id))
}

// Apply has a stored plan applied.
func (c *Client) Apply(ctx context.Context, tx pgx.Tx, id int64) error {
	return c.insert(ctx, tx, applyJob(id))
}

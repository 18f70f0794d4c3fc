package watch

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// What a channel gets.
const (
	sendTime  = 30 * time.Second // for one try
	queueMost = 100              // notices that wait; further ones push the oldest out
	flushTime = 5 * time.Second  // at the end of the daemon
)

// sendAgain is how long a channel is left alone after each failed try; after the last, the notice
// is given up.
func sendAgain() []time.Duration {
	return []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
}

// queues are the channels of a site, each with what waits for it. A channel that hangs holds up
// no other, and nothing else.
type queues struct {
	log *slog.Logger
	// undelivered is told of a notice that was given up; it must not wait.
	undelivered func(channel string, n Notice, err error)

	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu sync.Mutex
	to []*queue
}

type queue struct {
	channel Channel
	waiting []Notice
	running bool
}

func newQueues(log *slog.Logger) *queues {
	q := &queues{log: log}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

// setChannels replaces the channels.
func (q *queues) setChannels(channels []Channel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.to = nil
	for _, c := range channels {
		q.to = append(q.to, &queue{channel: c})
	}
}

// put queues a notice for every channel, and never waits.
func (q *queues) put(n Notice) {
	q.mu.Lock()
	defer q.mu.Unlock()

	for _, to := range q.to {
		if len(to.waiting) == queueMost {
			q.log.Warn("too many pending notices; the oldest is dropped", "channel",
				to.channel.Name, "notice", to.waiting[0].Title)
			to.waiting = to.waiting[1:]
		}

		to.waiting = append(to.waiting, n)
		if !to.running {
			to.running = true
			q.all.Go(func() { q.drain(to) })
		}
	}
}

// drain sends what waits for a channel, in order, and ends when there is no more.
func (q *queues) drain(to *queue) {
	for {
		q.mu.Lock()
		if len(to.waiting) == 0 || q.ctx.Err() != nil {
			to.running = false
			q.mu.Unlock()
			return
		}

		n := to.waiting[0]
		to.waiting = to.waiting[1:]
		q.mu.Unlock()
		q.send(to.channel, n)
	}
}

func (q *queues) send(c Channel, n Notice) {
	pauses := sendAgain()
	for try := 0; ; try++ {
		err := Try(q.ctx, c, n)
		if err == nil {
			q.log.Info("told", "site", n.Site, "channel", c.Name, "notice", n.Title)
			return
		}

		if q.ctx.Err() != nil || try == len(pauses) {
			q.log.Error("a notice was not delivered", "site", n.Site, "channel", c.Name,
				"notice", n.Title, "error", err)
			if q.undelivered != nil {
				q.undelivered(c.Name, n, err)
			}
			return
		}

		q.log.Warn("a channel did not accept a notice", "site", n.Site, "channel", c.Name,
			"notice", n.Title, "error", err, "again in", pauses[try].String())

		sleep(q.ctx, pauses[try])
	}
}

// Try sends a notice once, within its time, even where the channel does not keep to that.
func Try(ctx context.Context, c Channel, n Notice) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()

	sent := make(chan error, 1)
	go func() { sent <- c.Send(ctx, n) }()
	select {
	case err := <-sent:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close lets what waits go out for a while, then ends.
func (q *queues) close(within time.Duration) {
	done := make(chan struct{})
	go func() { q.all.Wait(); close(done) }()
	t := time.NewTimer(within)
	defer t.Stop()

	select {
	case <-done:
	case <-t.C:
	}

	q.cancel()
	<-done
}

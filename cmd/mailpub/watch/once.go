package watch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// onceFlush is how long Once waits for notices to be taken.
const onceFlush = time.Minute

// Once looks at each site once, repairs and tells as Run does, and returns what it saw in the end,
// in the order of the sites. The error says what could not be watched.
func (d *Daemon) Once(ctx context.Context) (seen []Snapshot, err error) {
	d.prepare()
	sites, wrong, err := d.Load(ctx)
	if err != nil {
		return nil, err
	}

	for _, f := range wrong {
		err = errors.Join(err, f.Err)
	}

	seen = make([]Snapshot, len(sites))
	failed := make([]error, len(sites))
	var all sync.WaitGroup

	for i, s := range sites {
		all.Go(func() { seen[i], failed[i] = d.once(ctx, s) })
	}

	all.Wait()
	return seen, errors.Join(append(failed, err)...)
}

func (d *Daemon) once(ctx context.Context, s Site) (Snapshot, error) {
	w := newWatcher(d, s)
	defer w.queues.close(onceFlush)

	if s.Lead != nil {
		trying, stop := context.WithCancel(ctx)
		var other string
		release, err := s.Lead(trying, func(who string) { other = who; stop() })
		stop()

		if other != "" {
			return Snapshot{
				Site: s.Name,
				File: s.File,
			}, fmt.Errorf("%s is watched already, by %s", s.Name, other)
		}
		if err != nil {
			return Snapshot{Site: s.Name, File: s.File}, err
		}

		defer release()
	}

	w.load()
	w.snapshot = Snapshot{Site: s.Name, File: s.File, Language: s.Language}
	w.pass(ctx)

	for w.snapshot.At.IsZero() && ctx.Err() == nil { // somebody works on the site
		sleep(ctx, w.next.Sub(d.Now()))
		w.pass(ctx)
	}

	return w.snapshot, ctx.Err()
}

// TestNotice is a notice of nothing, to see whether it arrives.
func TestNotice(s Site, now time.Time) Notice {
	n := Notice{
		Site:  s.Name,
		Host:  s.Host,
		At:    now,
		Kind:  Test,
		Title: "test notice; no action needed",
	}

	n.write("This is a test: mailpub watch --test-notice was run for " + s.Host + ".")
	n.translate(s.Language)
	return n
}

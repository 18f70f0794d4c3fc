package check

import (
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// slowAnswer is after what time of one transaction the others are asked at once: a server that
	// delays each reply (a tarpit) would take a check's whole time otherwise.
	slowAnswer = 5 * time.Second

	// parallelAsks is how many transactions run at once with a slow server.
	parallelAsks = 14
)

// indexes are 0 to n-1.
func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// serverPace is how fast the server is, as all checks of a run see it.
type serverPace struct{ slow atomic.Bool }

// askEach asks one after the other; once an answer was slow, the rest at once.
func (p *serverPace) askEach(questions []int, ask func(i int)) {
	for n, i := range questions {
		if p.slow.Load() {
			p.askAtOnce(questions[n:], ask)
			return
		}

		began := time.Now()
		ask(i)
		if time.Since(began) > slowAnswer {
			p.slow.Store(true)
		}
	}
}

func (p *serverPace) askAtOnce(questions []int, ask func(i int)) {
	var all errgroup.Group
	all.SetLimit(parallelAsks)
	for _, i := range questions {
		all.Go(func() error {
			ask(i)
			return nil
		})
	}

	_ = all.Wait() // each error is in its own answer
}

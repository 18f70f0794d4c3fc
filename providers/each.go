package providers

import (
	"context"
	"sync"
)

// each calls get for every one of list, at most so many at a time. What get returns is called
// one after the other. It returns the first error, and ends what is under way with it.
func each[T any](ctx context.Context, most int, list []T, get func(context.Context, T) (take func(), err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var first error
	slots := make(chan struct{}, most)
	for _, one := range list {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			take, err := get(ctx, one)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				take()
			case first == nil:
				first = err
				cancel()
			}
		})
	}
	wg.Wait()
	if first == nil {
		first = ctx.Err()
	}
	return first
}

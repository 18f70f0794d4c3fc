package fleet

import (
	"context"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
)

// DriftResult is what Drift found of a site.
type DriftResult struct {
	File  string
	Drift site.Drift
	Err   error // why the site could not be looked at

	Config *config.Config // nil where it could not be read
}

// Drift looks at the sites of some config files, so many at once, and calls seen for each in their order.
// A site that can't be looked at does not stop it.
func Drift(ctx context.Context, files []string, atOnce int, o site.Options, seen func(DriftResult)) {
	o = o.Serial()
	o.Shared = &site.Shared{}
	defer o.Shared.CloseIdle()

	results := make([]chan DriftResult, len(files))
	for i := range results {
		results[i] = make(chan DriftResult, 1)
	}

	ahead := make(chan struct{}, max(atOnce, 1)) // looked at, or waiting to be shown
	go func() {
		for i, file := range files {
			ahead <- struct{}{}
			go func() { results[i] <- driftOf(ctx, file, o) }()
		}
	}()

	for _, result := range results {
		seen(<-result)
		<-ahead
	}
}

// driftOf looks at the site of a config file.
func driftOf(ctx context.Context, file string, o site.Options) DriftResult {
	result := DriftResult{File: file}
	s, err := site.OpenFile(ctx, file, o)
	if err == nil {
		result.Config = s.Config()
		result.Drift, err = s.Drift(ctx)
	}

	result.Err = err
	return result
}

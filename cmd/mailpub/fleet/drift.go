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

// Drift looks at the sites of some config files, one after the other, and calls seen for each. A
// site that can't be looked at does not stop it.
func Drift(ctx context.Context, files []string, o site.Options, seen func(DriftResult)) {
	for _, file := range files {
		result := DriftResult{File: file}
		s, err := site.OpenFile(ctx, file, o)
		if err == nil {
			result.Config = s.Config()
			result.Drift, err = s.Drift(ctx)
		}

		result.Err = err
		seen(result)
	}
}

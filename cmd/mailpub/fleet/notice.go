package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// TestNotices sends a test notice to every channel of some sites, and calls sent for each. It fails
// only where a config can't be read.
func TestNotices(ctx context.Context, paths []string, o site.Options, sent func(site, channel string, err error)) error {
	sites, wrong, err := load(ctx, paths, o)
	for _, w := range wrong {
		err = errors.Join(err, w.Err)
	}

	if err != nil {
		return err
	}

	for _, s := range sites {
		for _, c := range s.Channels {
			sent(s.Name, c.Name, watch.Try(ctx, c, watch.TestNotice(s, time.Now())))
		}
	}

	return nil
}

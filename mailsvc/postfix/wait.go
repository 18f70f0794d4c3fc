package postfix

import (
	"cmp"
	"context"
	"time"
)

func (d *Driver) patience() time.Duration { return cmp.Or(d.Patience, 20*time.Second) }

// retryUntil tries until it holds, or so much time or ctx ends; then the last error is returned.
func (d *Driver) retryUntil(ctx context.Context, within time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()

	for {
		err := try(ctx)
		if err == nil {
			return nil
		}

		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

package watch

import "context"

// Pass looks at one site once, repairs and tells as Run does, and returns what it saw in the end. It
// returns when the notices have been handed to the channels, or onceFlush has passed. It may be called for
// several sites at once.
func (d *Daemon) Pass(ctx context.Context, s Site) (Snapshot, error) {
	d.prepare()
	return d.once(ctx, s)
}

package postfix

import (
	"context"
	"fmt"
	"os"
	"slices"
)

// write puts the files in place in an order in which none refers to what is not there: going
// up Dovecot is first to listen, going down it is the last to stop.
func (d *Driver) write(ctx context.Context, e *edit, up, running bool) error {
	steps := []func() error{
		func() error { return d.writeDovecot(ctx, e) },
		e.writeHosts,
		func() error { return d.writeTable(ctx, e) },
		func() error { return d.writeMain(ctx, e, running) },
	}

	if !up {
		slices.Reverse(steps)
	}

	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}

	return nil
}

func (d *Driver) writeDovecot(ctx context.Context, e *edit) error {
	path := e.s.socket()
	if !e.drop.changes() && !d.dovecotIsBehind(ctx, e, path) {
		return nil
	}

	if e.drop.changes() {
		if err := e.drop.put(e.drop.new); err != nil {
			return err
		}

		listens, err := d.listens(ctx, path)
		if err != nil {
			return fmt.Errorf("%s is not taken by Dovecot: %w", e.drop.path, err)
		}
		if listens != (e.drop.new != nil) {
			return fmt.Errorf("%s has no effect: %s does not include conf.d/*.conf, or another file overrides it",
				e.drop.path, d.Dovecot)
		}
	}

	if !d.dovecotRuns(ctx) {
		return nil
	}
	if _, err := d.run(ctx, "doveadm", "-c", d.Dovecot, "reload"); err != nil {
		return err
	}
	if e.drop.new == nil {
		return nil
	}

	return d.retryUntil(ctx, d.patience(), func(context.Context) error {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("no socket %s: Dovecot was told to listen there, and its log says why it does not", path)
		}
		return nil
	})
}

// dovecotIsBehind reports whether an earlier run may have been cut off before Dovecot loaded the file, or that it is
// gone.
func (d *Driver) dovecotIsBehind(ctx context.Context, e *edit, path string) bool {
	if !e.reload || e.drop.new != nil {
		return e.reload
	}
	if _, err := os.Stat(path); err != nil {
		return false
	}

	listens, err := d.listens(ctx, path)
	return err == nil && !listens
}

func (e *edit) writeHosts() error {
	if !e.hosts.changes() {
		return nil
	}
	return e.hosts.put(e.hosts.new)
}

func (d *Driver) writeTable(ctx context.Context, e *edit) error {
	for _, t := range e.tables(d) {
		if !t.changes() && !e.reload {
			continue
		}

		if t.changes() {
			if err := t.put(t.new); err != nil {
				return err
			}
		}

		if _, err := os.Stat(indexOf(t.table)); t.old == nil && t.new == nil && err != nil {
			continue
		}
		if err := d.index(ctx, t.table, t.new != nil); err != nil {
			return err
		}
	}

	return nil
}

// index makes the index of a table, or removes that of a table that is gone.
func (d *Driver) index(ctx context.Context, table string, there bool) error {
	if there {
		_, err := d.run(ctx, "postmap", "-c", d.Dir, table)
		return err
	}
	return d.Disk.Remove(indexOf(table))
}

func (d *Driver) writeMain(ctx context.Context, e *edit, running bool) error {
	if e.main.changes() {
		if err := e.main.put(e.main.new); err != nil {
			return err
		}
		if _, err := d.postconf(ctx, "-n"); err != nil {
			return err
		}
		if _, err := d.run(ctx, "postfix", "-c", d.Dir, "check"); err != nil {
			return err
		}
	}

	if !running || !e.main.changes() && !e.addresses.changes() && !e.former.changes() &&
		!e.reload {
		return nil
	}

	return d.loadAndProve(ctx, e.restart)
}

package postfix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/durable"
)

// rollBack puts every file back as it was, whatever was asked to stop meanwhile.
func (d *Driver) rollBack(e *edit, running bool, before *behaviour, cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()

	written := slices.ContainsFunc(e.files(), func(f *file) bool { return f.written })
	if !written {
		d.dropCopies(e)
		return errors.Join(fmt.Errorf("%w; nothing was changed", cause), d.end())
	}

	var err error
	for _, f := range e.files() {
		if f.written {
			err = errors.Join(err, f.put(f.old))
		}
	}

	for _, t := range e.tables(d) {
		if t.written {
			err = errors.Join(err, d.index(ctx, t.table, t.old != nil))
		}
	}

	if e.drop.written && d.dovecotRuns(ctx) {
		_, reload := d.run(ctx, "doveadm", "-c", d.Dovecot, "reload")
		err = errors.Join(err, reload)
	}

	if running && err == nil {
		err = d.loadAndProve(ctx, e.restart)
	}

	if err == nil {
		err = d.compare(ctx, e, before, announcedEffects{})
	}

	if err != nil {
		return fmt.Errorf("%w; and the rollback failed: %w (copies of the files are in the same directories, named %s*)",
			cause, err, durable.CopySuffix)
	}

	d.dropCopies(e)
	return errors.Join(fmt.Errorf("%w; everything was restored, and Postfix answers as before",
		cause), d.end())
}

// keepCopies puts a dated copy beside each file that is about to be written for the first time.
func (d *Driver) keepCopies(e *edit) error {
	for _, f := range e.files() {
		if !f.changes() || f == e.drop || f.old == nil ||
			strings.HasPrefix(string(f.old), tableHead) {
			continue
		}
		if err := d.Disk.KeepCopy(f.path, f.old, d.now().Format(time.DateOnly)); err != nil {
			return fmt.Errorf("cannot copy %s, so it was not changed: %w", f.path, err)
		}
	}

	return nil
}

// sweep removes what a run that was killed while it wrote left beside the files.
func (e *edit) sweep(more ...string) {
	for _, f := range e.files() {
		more = append(more, f.path)
	}
	for _, path := range more {
		durable.Sweep(path)
	}
}

// dropCopies removes the copies of files that are again as they were.
func (d *Driver) dropCopies(e *edit) {
	for _, f := range e.files() {
		path := durable.CopyOf(f.path)
		if path == "" {
			continue
		}

		now, err := os.ReadFile(f.path)
		was, fault := os.ReadFile(path)
		if err == nil && fault == nil && string(now) == string(was) {
			if err := d.Disk.Remove(path); err != nil {
				d.log().Warn("a copy is left", "path", path, "err", err)
			}
		}
	}
}

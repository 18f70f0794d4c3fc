package postfix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Apply implements plan.Driver.
func (d *Driver) Apply(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	fail := func(c plan.Change, err error) error {
		done(c, err)
		return err
	}
	if len(batch) == 0 {
		return nil
	}
	s, err := d.load(ctx)
	if err != nil {
		return fail(batch[0], err)
	}
	up := false
	for _, c := range batch {
		is, unknown := d.read(ctx, s, c.Key)
		if unknown != "" {
			return fail(c, fmt.Errorf("%s: %s", c.Key, unknown))
		}
		if !plan.EqualLines(is, c.Before) {
			return fail(c, fmt.Errorf("%s: %w: is %q", c.Key, plan.ErrStale, is))
		}
		up = up || !c.Release
	}
	e, err := d.edit(s)
	if err != nil {
		return fail(batch[0], err)
	}
	for _, c := range batch {
		if err := d.set(e, c.Key, c.After); err != nil {
			return fail(c, err)
		}
	}
	e.finish()
	if err := ctx.Err(); err != nil {
		return fail(batch[0], err)
	}
	if err := d.carryOut(ctx, e, up, batch); err != nil {
		return fail(batch[0], err)
	}
	for _, c := range batch {
		done(c, nil)
	}
	return nil
}

// carryOut writes, loads and proves; or puts everything back.
func (d *Driver) carryOut(ctx context.Context, e *edit, up bool, batch []plan.Change) error {
	if !e.changes() {
		return nil
	}
	running := d.running(ctx)
	if up && !running {
		return errors.New("the server is not running: start it first (systemctl start postfix), so that each change can be proved; postfix check says what keeps it from starting")
	}
	if up && e.drop.changes() && !d.dovecotRuns(ctx) {
		return errors.New("dovecot is not running: start it first (systemctl start dovecot); without it Postfix would not answer at all")
	}
	if err := e.deaf(); up && err != nil {
		return err
	}
	if err := d.keepCopies(e); err != nil {
		return err
	}
	err := d.write(ctx, e, up, running)
	if err == nil {
		err = d.readBack(ctx, batch)
	}
	if err != nil {
		return d.rollBack(e, running, err)
	}
	d.dropCopies(e)
	return nil
}

// deaf says that Postfix would ask Dovecot where nobody answers: then it does not even greet.
func (e *edit) deaf() error {
	asks, _ := e.settings.get("smtpd_sasl_auth_enable")
	kind, _ := e.settings.get("smtpd_sasl_type")
	path, _ := e.settings.get("smtpd_sasl_path")
	if asks != "yes" || kind != "dovecot" || path != socket || e.drop.changes() {
		return nil
	}
	if _, err := os.Stat(e.s.socket()); err != nil {
		return fmt.Errorf("nobody would tell Postfix who may log in, and it would not answer at all: %w; install Dovecot (apt-get install dovecot-imapd) and start it", err)
	}
	return nil
}

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
	if !e.drop.changes() {
		return nil
	}
	if err := e.drop.put(e.drop.new); err != nil {
		return err
	}
	path := e.s.socket()
	listens, err := d.listens(ctx, path)
	if err != nil {
		return fmt.Errorf("%s is not taken by Dovecot: %w", e.drop.path, err)
	}
	if listens != (e.drop.new != nil) {
		return fmt.Errorf("%s has no effect: %s does not include conf.d/*.conf, or another file overrides it", e.drop.path, d.Dovecot)
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
	return d.eventually(ctx, d.patience(), func(context.Context) error {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("no socket %s: Dovecot was told to listen there, and its log says why it does not", path)
		}
		return nil
	})
}

func (e *edit) writeHosts() error {
	if !e.hosts.changes() {
		return nil
	}
	return e.hosts.put(e.hosts.new)
}

func (d *Driver) writeTable(ctx context.Context, e *edit) error {
	if !e.addresses.changes() {
		return nil
	}
	if err := e.addresses.put(e.addresses.new); err != nil {
		return err
	}
	return d.index(ctx, e.s.table, e.addresses.new != nil)
}

// index makes the index of a table, or removes that of a table that is gone.
func (d *Driver) index(ctx context.Context, table string, there bool) error {
	if there {
		_, err := d.run(ctx, "postmap", "-c", d.Dir, table)
		return err
	}
	if err := os.Remove(indexOf(table)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
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
	if !running || !e.main.changes() && !e.addresses.changes() {
		return nil
	}
	return d.loadAndProve(ctx, e.restart)
}

// loadAndProve lets Postfix take up its files, and sees that it answers as what it now is. After
// smtpd has failed, as it does without Dovecot, master lets a minute pass before it tries again,
// reloaded or not (service_throttle_time in master(8)); only a restart ends that.
func (d *Driver) loadAndProve(ctx context.Context, restart bool) error {
	if err := d.reload(ctx, restart); err != nil {
		return err
	}
	out, err := d.postconf(ctx, "-x", "myhostname", "inet_interfaces")
	if err != nil {
		return err
	}
	is := settings(out)
	answers := func(ctx context.Context) error { return d.answers(ctx, is["myhostname"], is["inet_interfaces"]) }
	if restart {
		return d.eventually(ctx, d.patience(), answers)
	}
	if d.eventually(ctx, d.patience()/4, answers) == nil {
		return nil
	}
	if err := d.reload(ctx, true); err != nil {
		return err
	}
	return d.eventually(ctx, d.patience(), answers)
}

func (d *Driver) readBack(ctx context.Context, batch []plan.Change) error {
	back, err := d.load(ctx)
	if err != nil {
		return err
	}
	for _, c := range batch {
		is, unknown := d.read(ctx, back, c.Key)
		if unknown != "" {
			return fmt.Errorf("%s: can't be read back: %s", c.Key, unknown)
		}
		if !plan.EqualLines(is, c.After) {
			return fmt.Errorf("%s: reads %q after it was written", c.Key, is)
		}
	}
	return nil
}

// rollBack puts every file back as it was, whatever was asked to stop meanwhile.
func (d *Driver) rollBack(e *edit, running bool, cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	for _, f := range e.files() {
		if f.changes() {
			err = errors.Join(err, f.put(f.old))
		}
	}
	if e.addresses.changes() {
		err = errors.Join(err, d.index(ctx, e.s.table, e.addresses.old != nil))
	}
	if e.drop.changes() && d.dovecotRuns(ctx) {
		_, reload := d.run(ctx, "doveadm", "-c", d.Dovecot, "reload")
		err = errors.Join(err, reload)
	}
	if running && err == nil {
		err = d.loadAndProve(ctx, e.restart)
	}
	if err != nil {
		return fmt.Errorf("%w; and putting everything back failed: %w (copies of the files are beside them, named %s*)", cause, err, copySuffix)
	}
	d.dropCopies(e)
	return fmt.Errorf("%w; everything was put back as it was, and Postfix answers as before", cause)
}

// keepCopies puts a dated copy beside each file that is about to be written for the first time.
func (d *Driver) keepCopies(e *edit) error {
	for _, f := range e.files() {
		if !f.changes() || f == e.drop || f.old == nil || strings.HasPrefix(string(f.old), tableHead) || copyOf(f.path) != "" {
			continue
		}
		c := file{path: f.path + copySuffix + d.now().Format("2006-01-02")}
		if err := c.put(f.old); err != nil {
			return fmt.Errorf("no copy of %s could be made, so that it stays as it is: %w", f.path, err)
		}
	}
	return nil
}

// dropCopies removes the copies of files that are again as they were.
func (d *Driver) dropCopies(e *edit) {
	for _, f := range e.files() {
		path := copyOf(f.path)
		if path == "" {
			continue
		}
		now, err := os.ReadFile(f.path)
		was, fault := os.ReadFile(path)
		if err == nil && fault == nil && string(now) == string(was) {
			if err := os.Remove(path); err != nil {
				d.log().Warn("a copy is left", "path", path, "err", err)
			}
		}
	}
}

func (d *Driver) patience() time.Duration { return cmp.Or(d.Patience, 20*time.Second) }

// eventually tries until it holds, or so much time or ctx ends; then the last error is returned.
func (d *Driver) eventually(ctx context.Context, within time.Duration, try func(context.Context) error) error {
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

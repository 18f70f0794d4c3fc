package postfix

import (
	"context"
	"errors"
	"fmt"
	"os"

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

	up, finish := false, false
	for _, c := range batch {
		finish = finish || c.Key == unfinishedKey
		is, unknown := d.read(ctx, s, c.Key)
		if unknown != "" {
			return fail(c, fmt.Errorf("%s: %s", c.Key, unknown))
		}
		if !plan.EqualLines(is, c.Before) {
			return fail(c, fmt.Errorf("%s: %w: is %q", c.Key, plan.ErrStale, is))
		}

		up = up || !c.Release && (c.Key != unfinishedKey || len(batch) == 1)
	}

	e, err := d.edit(s)
	if err != nil {
		return fail(batch[0], err)
	}

	for _, c := range batch {
		e.release = c.Release
		if err := d.set(e, c.Key, c.After); err != nil {
			return fail(c, err)
		}
	}

	e.finish()
	e.reload = finish
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
	e.sweep(d.unfinishedPath())
	if !e.changes() && !e.reload {
		return nil
	}

	running := d.running(ctx)
	if !running && e.reload { // it was to be started again by a run that did not get there
		if _, err := d.run(ctx, "postfix", "-c", d.Dir, "start"); err != nil {
			return err
		}
		running = true
	}

	if up && !running {
		return errors.New("the server is not running: start it first (systemctl start postfix), so that mailpub can verify each change; postfix check says why it does not start")
	}
	if up && e.loadsDovecot() && !d.dovecotRuns(ctx) {
		return errors.New("dovecot is not running: start it first (systemctl start dovecot); without it Postfix would not answer at all")
	}
	if err := e.checkLoginBackend(); up && err != nil {
		return err
	}

	before, err := d.before(ctx, e, up && running)
	if err != nil {
		return err
	}
	if err := d.keepCopies(e); err != nil {
		return err
	}
	if err := d.begin(e); err != nil {
		return err
	}

	err = d.write(ctx, e, up, running)
	if err == nil {
		err = d.readBack(ctx, batch)
	}

	if err == nil {
		err = d.compare(ctx, e, before, e.announcedEffects())
	}

	if err != nil {
		return d.rollBack(e, running, before, err)
	}

	d.dropCopies(e)
	return d.end()
}

// begin notes on disk that files are about to be written that have to be loaded.
func (d *Driver) begin(e *edit) error {
	text := "reload\n"
	if e.restart {
		text = "restart\n"
	}
	return d.Disk.Replace(d.unfinishedPath(), []byte(text))
}

// end takes the note away.
func (d *Driver) end() error {
	return d.Disk.Remove(d.unfinishedPath())
}

// loadsDovecot reports whether Dovecot is to load the file that it is given.
func (e *edit) loadsDovecot() bool { return e.drop.changes() || e.reload && e.drop.new != nil }

// checkLoginBackend says that Postfix would ask Dovecot where nobody answers: then it does not even greet.
func (e *edit) checkLoginBackend() error {
	asks, _ := e.settings.get("smtpd_sasl_auth_enable")
	kind, _ := e.settings.get("smtpd_sasl_type")
	path, _ := e.settings.get("smtpd_sasl_path")

	if asks != "yes" || kind != "dovecot" || path != socket || e.loadsDovecot() {
		return nil
	}
	if _, err := os.Stat(e.s.socket()); err != nil {
		return fmt.Errorf("without Dovecot there is no login backend, and Postfix would not answer at all: %w; install Dovecot (apt-get install dovecot-imapd) and start it", err)
	}

	return nil
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
	answers := func(ctx context.Context) error {
		return d.answers(ctx, is["myhostname"], is["inet_interfaces"])
	}

	if restart {
		return d.retryUntil(ctx, d.patience(), answers)
	}
	if d.retryUntil(ctx, d.patience()/4, answers) == nil {
		return nil
	}
	if err := d.reload(ctx, true); err != nil {
		return err
	}

	return d.retryUntil(ctx, d.patience(), answers)
}

func (d *Driver) readBack(ctx context.Context, batch []plan.Change) error {
	back, err := d.load(ctx)
	if err != nil {
		return err
	}

	for _, c := range batch {
		if c.Key == unfinishedKey { // it is ended when all is proved
			continue
		}

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

package postfix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
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
		up = up || !c.Release
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
		return errors.New("the server is not running: start it first (systemctl start postfix), so that each change can be proved; postfix check says what keeps it from starting")
	}
	if up && e.drop.changes() && !d.dovecotRuns(ctx) {
		return errors.New("dovecot is not running: start it first (systemctl start dovecot); without it Postfix would not answer at all")
	}
	if err := e.deaf(); up && err != nil {
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
		err = d.compare(ctx, e, before, e.announced())
	}
	if err != nil {
		return d.rollBack(e, running, before, err)
	}
	d.dropCopies(e)
	return d.end()
}

// unfinishedKey is of a change that loads what an earlier run wrote and did not get to load.
var unfinishedKey = plan.Key{Kind: mailsvc.Kind, Name: "loaded"}

const (
	notLoaded = "an earlier run was cut off before the server had loaded its files"
	isLoaded  = "as its files say"
)

// Unfinished implements plan.Resumer.
func (d *Driver) Unfinished(context.Context) []plan.Change {
	if _, err := os.Stat(d.unfinishedPath()); err != nil {
		return nil
	}
	return []plan.Change{{
		Key:    unfinishedKey,
		Action: plan.Update,
		Stage:  plan.StageService,
		Before: []string{notLoaded},
		After:  []string{isLoaded},
		Reason: "its tables are indexed and the servers reloaded",
	}}
}

// begin notes on disk that files are about to be written that have to be loaded.
func (d *Driver) begin(e *edit) error {
	text := "reload\n"
	if e.restart {
		text = "restart\n"
	}
	return durable.Replace(d.unfinishedPath(), []byte(text))
}

// end takes the note away.
func (d *Driver) end() error {
	err := os.Remove(d.unfinishedPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// before takes the picture of a server that runs, where anything that it goes by is to change. One that
// does not answer at all can get no worse. One that answers and breaks off is left as it is: nobody
// could tell what a change does to it.
func (d *Driver) before(ctx context.Context, e *edit, ask bool) (*picture, error) {
	if !ask || !e.main.changes() && !e.addresses.changes() {
		return nil, nil
	}
	is, err := d.postconf(ctx, "-x", "myhostname", "inet_interfaces")
	if err != nil {
		return nil, err
	}
	addr := d.answerAddr(settings(is)["inet_interfaces"])
	if _, err := smtpclient.Greeting(ctx, d.Dial, addr); err != nil {
		d.log().Warn("the server does not answer now, so that nothing is compared after the change", "addr", addr, "err", err)
		return nil, nil
	}
	l := d.newLookups()
	p, err := d.takePicture(ctx, e.s, l, addr, d.recipients(e.s))
	if err != nil {
		return nil, fmt.Errorf("what the server does before the change can't be found out, so that nothing was written: %w", err)
	}
	then, err := d.then(ctx, e)
	if err == nil {
		e.ways, err = l.ways(ctx, then)
	}
	if err != nil {
		return nil, fmt.Errorf("what the change means can't be found out, so that nothing was written: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(e.ways)) {
		if way := e.ways[name]; ends(way) && !ends(p.ways[name]) {
			return nil, fmt.Errorf("mail for %s, written without a domain, goes to %s, and would go to %s then: give %s an alias, or myorigin another domain", name, p.ways[name], way, name)
		}
	}
	return &p, nil
}

// compare fails where the server does worse than before by anything that the plan did not announce.
func (d *Driver) compare(ctx context.Context, e *edit, before *picture, said announced) error {
	if before == nil {
		return nil
	}
	is, err := d.postconf(ctx, "-x", "inet_interfaces")
	if err != nil {
		return err
	}
	s, err := d.load(ctx)
	if err != nil {
		return err
	}
	s.own = e.s.oneOfOurs() // the same questions
	addr, recipients := d.answerAddr(settings(is)["inet_interfaces"]), slices.Sorted(maps.Keys(before.recipients))
	for tries := 1; ; tries++ {
		after, err := d.takePicture(ctx, s, d.newLookups(), addr, recipients)
		if err != nil {
			return fmt.Errorf("the server can't be asked what it does now: %w", err)
		}
		lost := before.worse(after, said)
		switch {
		case lost == "":
			return nil
		case !before.putOff(after) || tries == 5:
			return fmt.Errorf("the change would break mail that flows: %s", lost)
		}
		select {
		case <-time.After(d.patience() / 10):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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
	for _, t := range e.tables(d) {
		if !t.changes() && !e.reload {
			continue
		}
		if t.changes() {
			if err := t.put(t.new); err != nil {
				return err
			}
		}
		if t.old == nil && t.new == nil {
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
	if !running || !e.main.changes() && !e.addresses.changes() && !e.former.changes() && !e.reload {
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

// rollBack puts every file back as it was, whatever was asked to stop meanwhile.
func (d *Driver) rollBack(e *edit, running bool, before *picture, cause error) error {
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
		err = d.compare(ctx, e, before, announced{})
	}
	if err != nil {
		return fmt.Errorf("%w; and putting everything back failed: %w (copies of the files are beside them, named %s*)", cause, err, copySuffix)
	}
	d.dropCopies(e)
	return errors.Join(fmt.Errorf("%w; everything was put back as it was, and Postfix answers as before", cause), d.end())
}

// keepCopies puts a dated copy beside each file that is about to be written for the first time.
func (d *Driver) keepCopies(e *edit) error {
	for _, f := range e.files() {
		if !f.changes() || f == e.drop || f.old == nil || strings.HasPrefix(string(f.old), tableHead) || copyOf(f.path) != "" {
			continue
		}
		mode := fs.FileMode(0o600)
		if is, err := os.Stat(f.path); err == nil {
			mode = is.Mode().Perm()
		}
		path := f.path + copySuffix + d.now().Format("2006-01-02")
		if err := durable.ReplaceShared(path, f.old, mode); err != nil {
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

package mdaemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/mail"
)

// fileEdit is a file as it is and as it is to be; nil is no file.
type fileEdit struct {
	name     string
	path     string
	old, new []byte
	sem      string // that lets MDaemon load it
}

func (f *fileEdit) changes() bool {
	return (f.old == nil) != (f.new == nil) || string(f.old) != string(f.new)
}

// edit is a batch of changes as what becomes of the App folder's files. It is done as a whole or not at all.
type edit struct {
	app   *App
	ours  []iniKey // keys in .ini files that mailpub may write
	files []*fileEdit
}

func (d *Driver) newEdit() *edit {
	e := &edit{app: d.App, ours: []iniKey{lengthPlace}}
	if d.Dialect != nil {
		for _, p := range d.Dialect.Settings {
			e.ours = append(e.ours, iniKey{File: p.File, Section: p.Section, Key: p.Key})
		}
	}
	return e
}

// inFiles reports whether a key is in the App folder.
func (d *Driver) inFiles(k plan.Key) bool {
	need, _ := mailsvc.SplitNeed(k)
	switch need {
	case needTrusted, needShield, needLength, needSetting:
		return true
	case mail.NeedAlias:
		return d.App != nil
	}

	return k == unfinishedKey
}

// file opens a file of the folder once.
func (e *edit) file(name, sem string) (*fileEdit, error) {
	for _, f := range e.files {
		if strings.EqualFold(f.name, name) {
			return f, nil
		}
	}

	data, err := e.app.read(name)
	if err != nil {
		return nil, err
	}

	f := &fileEdit{
		name: name,
		path: e.app.path(name),
		old:  data,
		new:  data,
		sem:  sem,
	}

	e.files = append(e.files, f)
	return f, nil
}

// set puts the text of a key in place; nil takes it out.
func (d *Driver) set(e *edit, k plan.Key, lines []string) error {
	text := strings.Join(lines, "")
	if strings.ContainsAny(text, "\r\n") {
		return fmt.Errorf("%s: want one line, not %q", k, lines)
	}

	need, name := mailsvc.SplitNeed(k)
	switch need {
	case mail.NeedAlias:
		return e.setAlias(name, text)
	case needTrusted:
		return e.setTrusted(name, len(lines) > 0)
	case needShield:
		return e.setShield(name, lines)
	case needLength:
		return e.setPlace(lengthPlace, lines)
	case needSetting:
		p, ok := d.Dialect.Settings[name]
		if !ok {
			return fmt.Errorf("the dialect has no setting %q", name)
		}
		return e.setPlace(iniKey{File: p.File, Section: p.Section, Key: p.Key}, lines)
	}

	return nil
}

func (e *edit) setAlias(address, actual string) error {
	f, err := e.file(aliasFile, reloadAliases)
	if err != nil {
		return err
	}

	a, err := parseAliases(f.new)
	if err != nil {
		return err
	}

	a.set(address, actual)
	f.new = e.emptyToNil(f, a.bytes())
	return nil
}

// emptyToNil is what is to be in a file: none where it was made by mailpub and nothing is left in it.
func (e *edit) emptyToNil(f *fileEdit, data []byte) []byte {
	if len(data) == 0 && durable.CopyOf(f.path) == "" {
		return nil
	}
	return data
}

func (e *edit) setTrusted(address string, is bool) error {
	f, err := e.file(trustedFile, reloadTrusted)
	if err != nil {
		return err
	}

	t := parseText(f.new)
	if !t.isUniform() {
		return fmt.Errorf("%s is in UTF-16 or mixes line ends: the layout is not known, so nothing is written",
			trustedFile)
	}

	at := slices.IndexFunc(t.lines, isRow(address))
	switch {
	case is && at < 0:
		t.lines = append(t.lines, address)
	case !is && at >= 0:
		t.lines = slices.Delete(t.lines, at, at+1)
	}

	f.new = e.emptyToNil(f, t.bytes())
	return nil
}

func (e *edit) setShield(domain string, addresses []string) error {
	f, err := e.file(shieldFile, reloadShield)
	if err != nil {
		return err
	}

	s, known := parseShield(f.new)
	if !known || s.between == "" {
		return fmt.Errorf("%s has no row to see its layout by, so nothing is written",
			shieldFile)
	}

	s.set(domain, addresses)
	f.new = s.bytes()
	return nil
}

func (e *edit) setPlace(p iniKey, lines []string) error {
	f, err := e.file(p.File, reloadAll)
	if err != nil {
		return err
	}
	if f.new == nil {
		return fmt.Errorf("%s is not in %s", p.File, e.app.Dir)
	}

	settings := parseINI(f.new)
	if !settings.isUniform() {
		return fmt.Errorf("%s is in UTF-16 or mixes line ends: the layout is not known, so nothing is written", p.File)
	}

	var value *string
	if len(lines) > 0 {
		value = &lines[0]
	}

	if err := settings.set(p.Section, p.Key, value); err != nil {
		return fmt.Errorf("%s %w", p.File, err)
	}

	f.new = settings.bytes()
	return nil
}

// semaphores are those of the files that change.
func (e *edit) semaphores() (names []string) {
	for _, f := range e.files {
		if f.changes() && !slices.Contains(names, f.sem) {
			names = append(names, f.sem)
		}
	}
	return names
}

// write puts every file in place, with a dated copy beside it, and lets MDaemon load them. When that
// fails all is put back.
func (e *edit) write(ctx context.Context) error {
	sems := e.semaphores()
	if len(sems) == 0 {
		return nil
	}
	if err := e.app.unlocked(); err != nil {
		return err
	}
	if err := e.app.begin(sems); err != nil {
		return err
	}

	for _, f := range e.files {
		if err := e.writeFile(f); err != nil {
			return e.rollBack(ctx, err)
		}
	}

	if err := e.app.signal(ctx, sems); err != nil {
		return e.rollBack(ctx, err)
	}

	return nil
}

func (e *edit) writeFile(f *fileEdit) error {
	if !f.changes() {
		return nil
	}
	if now, err := e.app.read(f.name); err != nil || string(now) != string(f.old) {
		return errors.Join(err, fmt.Errorf("%w: %s changed while it was edited: close MDaemon's configuration session",
			plan.ErrStale, f.name))
	}
	if err := e.app.keepCopy(f.path, f.old); err != nil {
		return err
	}

	return e.app.writeOrRemove(f.path, f.new)
}

// checkUnchanged is an error where somebody wrote one of the files again since.
func (e *edit) checkUnchanged() error {
	for _, f := range e.files {
		if now, err := e.app.read(f.name); err != nil || string(now) != string(f.new) {
			return errors.Join(err, fmt.Errorf("another program has overwritten %s, and mailpub's change is lost: close MDaemon's configuration session, and run apply again", f.name))
		}
	}
	return nil
}

// rollBack makes every file what it was, loads that, and says so beside why.
func (e *edit) rollBack(ctx context.Context, why error) error {
	ctx = context.WithoutCancel(ctx)
	var back, sems []string
	for _, f := range e.files {
		now, err := e.app.read(f.name)
		if err == nil && string(now) == string(f.old) && (now == nil) == (f.old == nil) {
			continue
		}
		if err == nil && string(now) != string(f.new) {
			return fmt.Errorf("%w; another program has changed %s meanwhile, so it was not restored; its copy is %s",
				why, f.name, durable.CopyOf(f.path))
		}
		if err := e.app.writeOrRemove(f.path, f.old); err != nil {
			return fmt.Errorf("%w; and cannot restore %s (%w): its copy is %s", why, f.name,
				err, durable.CopyOf(f.path))
		}

		back = append(back, f.name)
		sems = append(sems, f.sem)
	}

	if len(back) == 0 {
		return errors.Join(why, e.app.end())
	}

	if err := e.app.signal(ctx, slices.Compact(sems)); err != nil {
		err = fmt.Errorf("%w; restored: %s; cannot load it: %w", why, strings.Join(back, ", "),
			err)
		return errors.Join(err, e.release()) // and the mark stays, for the next run to load it
	}

	return errors.Join(fmt.Errorf("%w; restored and loaded: %s", why,
		strings.Join(back, ", ")), e.finish())
}

// finish takes away the copies, as release does, and the mark of a run.
func (e *edit) finish() error {
	if err := e.release(); err != nil {
		return err
	}
	return e.app.end()
}

// release takes the copies of files away that are as they were before mailpub came.
func (e *edit) release() error {
	for _, f := range e.files {
		if err := e.app.release(f.path, e.ours); err != nil {
			return err
		}
	}
	return nil
}

// unfinishedFile says that MDaemon may not have loaded what its files say, and which semaphores let it.
const unfinishedFile = ".mailpub-unfinished"

// unfinishedKey is of a change that loads what an earlier run wrote and did not get to load.
var unfinishedKey = plan.Key{Kind: mailsvc.Kind, Name: "loaded"}

func (a *App) begin(sems []string) error {
	a.step()
	return durable.Replace(filepath.Join(a.Dir, unfinishedFile),
		[]byte(strings.Join(sems, "\n")+"\n"))
}

func (a *App) end() error {
	a.step()
	err := os.Remove(filepath.Join(a.Dir, unfinishedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// leftoverSemaphores are the semaphores of a run that was cut off.
func (a *App) leftoverSemaphores() (sems []string) {
	text, err := os.ReadFile(filepath.Join(a.Dir, unfinishedFile))
	if err != nil {
		return nil
	}

	for _, name := range strings.Fields(string(text)) {
		if slices.Contains([]string{reloadAll, reloadAliases, reloadTrusted, reloadShield},
			name) {
			sems = append(sems, name)
		}
	}

	return sems
}

package mdaemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Learner finds out where this MDaemon keeps a setting: a person changes it in the dialog, and only it, and
// the files before and after are compared. It writes nothing.
type Learner struct {
	App *App

	// Ask shows a person what to do, and returns when he says that it is done.
	Ask func(context.Context, Instruction) error

	Quiet time.Duration // for which the files may not change before they are read; 0 is 1 s
}

// Instruction is what a person is to do in MDaemon's dialog.
type Instruction struct {
	Setting  Setting
	Step, Of int
	Tick     bool   // the box; else it is not to be ticked
	Text     string // what to enter in a field of text
	AsItWas  bool   // enter again what stood there at first
}

// Texts that nothing else in a file will be.
const (
	firstText  = "mailpub-learn-1.invalid"
	secondText = "mailpub-learn-2.invalid"
)

// Errors of learning.
var (
	ErrNoChange = errors.New("nothing in MDaemon's files changed with it")
	ErrUnclear  = errors.New("more than one thing in MDaemon's files changed with it")
)

// Learn asks for a setting to be changed back and forth, and returns where it is.
func (l *Learner) Learn(ctx context.Context, s Setting) (Placement, error) {
	if s.Text {
		return l.learnText(ctx, s)
	}

	var seen []map[iniKey]string
	for i, tick := range []bool{false, true, false, true} {
		is, err := l.after(ctx, Instruction{
			Setting: s,
			Step:    i + 1,
			Of:      4,
			Tick:    tick,
		})

		if err != nil {
			return Placement{}, err
		}

		seen = append(seen, is)
	}

	var found []iniKey
	for at, on := range seen[1] {
		off := seen[0][at]
		if on != off && seen[2][at] == off && seen[3][at] == on {
			found = append(found, at)
		}
	}

	at, err := only(found)
	return Placement{at.File, at.Section, at.Key, seen[1][at], seen[0][at]}, err
}

func (l *Learner) learnText(ctx context.Context, s Setting) (Placement, error) {
	first, err := l.after(ctx, Instruction{
		Setting: s,
		Step:    1,
		Of:      3,
		Text:    firstText,
	})

	if err != nil {
		return Placement{}, err
	}

	second, err := l.after(ctx, Instruction{
		Setting: s,
		Step:    2,
		Of:      3,
		Text:    secondText,
	})

	if err != nil {
		return Placement{}, err
	}

	var found []iniKey
	for at, text := range first {
		if text == firstText && second[at] == secondText {
			found = append(found, at)
		}
	}

	if _, err := l.after(ctx, Instruction{
		Setting: s,
		Step:    3,
		Of:      3,
		AsItWas: true,
	}); err != nil {
		return Placement{}, err
	}

	at, err := only(found)
	return Placement{File: at.File, Section: at.Section, Key: at.Key}, err
}

// only returns the one place.
func only(found []iniKey) (iniKey, error) {
	switch len(found) {
	case 0:
		return iniKey{}, fmt.Errorf("%w: see that the dialog was left with OK or Apply each time, and that nothing else was changed meanwhile",
			ErrNoChange)
	case 1:
		return found[0], nil
	}

	var names []string
	for _, at := range found {
		names = append(names, fmt.Sprintf("%s [%s] %s", at.File, at.Section, at.Key))
	}

	slices.Sort(names)
	return iniKey{}, fmt.Errorf("%w: %s; change nothing but this one setting", ErrUnclear,
		strings.Join(names, ", "))
}

// after lets the person do something, and reads the files once they are quiet.
func (l *Learner) after(ctx context.Context, o Instruction) (map[iniKey]string, error) {
	if err := l.Ask(ctx, o); err != nil {
		return nil, err
	}

	quiet := l.Quiet
	if quiet == 0 {
		quiet = time.Second
	}

	was, err := l.App.settings()
	for range 60 {
		if err != nil {
			return nil, err
		}

		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(quiet):
		}

		var is map[iniKey]string
		is, err = l.App.settings()
		if err == nil && maps.Equal(was, is) {
			return is, nil
		}

		was = is
	}

	return nil, errors.New("MDaemon's files keep changing: stop what changes them, and run learn again")
}

// settings are all keys of the folder's .ini and .dat files. The list of accounts is left out: it holds
// passwords.
func (a *App) settings() (map[iniKey]string, error) {
	files, err := os.ReadDir(a.Dir)
	if err != nil {
		return nil, fmt.Errorf("MDaemon's App folder: %w", err)
	}

	all := map[iniKey]string{}
	for _, f := range files {
		ending := strings.ToLower(filepath.Ext(f.Name()))
		if f.IsDir() || ending != ".ini" && ending != ".dat" ||
			strings.EqualFold(f.Name(), userFile) {
			continue
		}
		if info, err := f.Info(); err == nil && info.Size() > maxFile {
			continue // holds no settings, and would stand in the way of learning any
		}

		data, err := a.read(f.Name())
		if err != nil {
			return nil, err
		}

		for at, value := range parseINI(data).all() {
			at.File = f.Name()
			all[at] = value
		}
	}

	return all, nil
}

package mailsvc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/mail"
)

// Receiver is the bundled receiver's settings file. It implements plan.Driver; the
// receiver takes up a change by itself.
//
//	{"service", "hostname"}                         mail.nomeazienda.it
//	{"service", "domain nomeazienda.it"}            served
//	{"service", "alias postmaster@nomeazienda.it"}  mario
//
// A batch is one rewrite of the file, so it is done as a whole or not at all. Aliases
// that others put into the file stay in it.
type Receiver struct {
	Path string
}

// Kind implements plan.Driver.
func (r *Receiver) Kind() string { return Kind }

// Spell implements Server. What the receiver always does needs no setting: it relays for
// nobody, knows no logins, sends nothing, and takes mail for those that it was told of.
func (r *Receiver) Spell(needs []plan.Item) []plan.Item {
	return slices.DeleteFunc(slices.Clone(needs), func(it plan.Item) bool {
		need, _ := SplitNeed(it.Key)
		return need != mail.NeedHostname && need != mail.NeedDomain && need != mail.NeedAlias
	})
}

// Read implements plan.Driver. A file that is not there holds nothing; one that can't
// be understood is an error, and stays as it is.
func (r *Receiver) Read(ctx context.Context, keys []plan.Key) ([]plan.Item, error) {
	s, err := r.load()
	if err != nil {
		return nil, err
	}

	var items []plan.Item
	for _, k := range keys {
		if lines := get(s, k); lines != nil {
			items = append(items, plan.Item{Key: k, Lines: lines})
		}
	}

	return items, ctx.Err()
}

func (r *Receiver) load() (receiver.Settings, error) {
	data, err := durable.Read(r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return receiver.Settings{}, nil
	}
	if err != nil {
		return receiver.Settings{}, fmt.Errorf("receiver settings: %w", err)
	}

	s, err := receiver.DecodeSettings(data)
	if err != nil {
		return receiver.Settings{}, fmt.Errorf("receiver settings %s cannot be read (%w): correct or remove the file",
			r.Path, err)
	}

	return s, nil
}

// get returns the text of a key, nil when there is none.
func get(s receiver.Settings, k plan.Key) []string {
	what, name := SplitNeed(k)
	switch what {
	case mail.NeedHostname:
		if s.Hostname != "" {
			return []string{s.Hostname}
		}
	case mail.NeedDomain:
		if slices.Contains(s.Domains, name) {
			return []string{mail.Served}
		}
	case mail.NeedAlias:
		if box, ok := s.Aliases[name]; ok {
			return []string{box}
		}
	}

	return nil
}

// set puts the text of a key into s; nil takes it out.
func set(s *receiver.Settings, k plan.Key, lines []string) error {
	if len(lines) > 1 {
		return fmt.Errorf("%s: want one line, not %q", k, lines)
	}

	text := strings.Join(lines, "")
	what, name := SplitNeed(k)
	switch what {
	case mail.NeedHostname:
		s.Hostname = text
	case mail.NeedDomain:
		s.Domains = slices.DeleteFunc(s.Domains, func(d string) bool { return d == name })
		if text == mail.Served {
			s.Domains = append(s.Domains, name)
		} else if text != "" {
			return fmt.Errorf("%s: want %q, not %q", k, mail.Served, text)
		}
	case mail.NeedAlias:
		if s.Aliases == nil {
			s.Aliases = map[string]string{}
		}
		delete(s.Aliases, name)
		if text != "" {
			s.Aliases[name] = text
		}
	default:
		return fmt.Errorf("the receiver has no setting %q", k.Name)
	}

	return nil
}

// Apply implements plan.Driver.
func (r *Receiver) Apply(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	fail := func(c plan.Change, err error) error {
		done(c, err)
		return err
	}

	if len(batch) == 0 {
		return nil
	}

	s, err := r.load()
	if err != nil {
		return fail(batch[0], err)
	}

	for _, c := range batch {
		if is := get(s, c.Key); !plan.EqualLines(is, c.Before) {
			return fail(c, fmt.Errorf("%s: %w: is %q", c.Key, plan.ErrStale, is))
		}
	}

	for _, c := range batch {
		if err := set(&s, c.Key, c.After); err != nil {
			return fail(c, err)
		}
	}

	if err := ctx.Err(); err != nil {
		return fail(batch[0], err)
	}
	if err := r.save(s); err != nil {
		return fail(batch[0], err)
	}

	back, err := r.load()
	for _, c := range batch {
		if is := get(back, c.Key); err == nil && !plan.EqualLines(is, c.After) {
			err = fmt.Errorf("%s: reads %q after it was written", c.Key, is)
		}
		if err != nil {
			return fail(c, err)
		}
		done(c, nil)
	}

	return nil
}

// save replaces the file as a whole, or removes it when nothing is left in it.
func (r *Receiver) save(s receiver.Settings) error {
	if s.Hostname == "" && len(s.Domains)+len(s.Aliases) == 0 {
		if err := os.Remove(r.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("receiver settings: %w", err)
		}
		return durable.SyncDir(filepath.Dir(r.Path))
	}

	data, err := s.Encode()
	if err != nil {
		return err
	}
	if _, err := receiver.DecodeSettings(data); err != nil { // what it could not read, it is not given
		return fmt.Errorf("receiver settings: %w", err)
	}
	if err := durable.MakePrivate(filepath.Dir(r.Path)); err != nil {
		return fmt.Errorf("receiver settings: %w", err)
	}
	if err := durable.ReplaceForGroup(r.Path, data); err != nil {
		return fmt.Errorf("receiver settings: %w", err)
	}

	return nil
}

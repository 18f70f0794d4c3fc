package site

import (
	"fmt"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// FindEntry returns the entry of a ledger by its name as plan shows it, whatever its letters and final
// dots. It fails where there is none, or several kinds of things have the name.
func FindEntry(l *plan.Ledger, name string) (found plan.Entry, err error) {
	var names []string
	n := 0
	for _, e := range l.Entries() {
		names = append(names, e.Key.Name)
		if isSameKey(name, e.Key) {
			found = e
			n++
		}
	}

	switch {
	case n == 1:
		return found, nil
	case n > 1:
		return plan.Entry{}, fmt.Errorf("the ledger has %d entries named %q", n, name)
	}

	if near := plan.Nearest(name, names); near != "" {
		return plan.Entry{}, fmt.Errorf("the ledger has no %q, did you mean %q?", name, near)
	}

	return plan.Entry{}, fmt.Errorf("the ledger has no %q; list its entries with mailpub state list", name)
}

// Forget takes entries out of the ledger: all of them, or with an error none. What they stand for stays
// as it is.
func (l *Lock) Forget(names ...string) error {
	ledger := l.held.Ledger()
	var entries []plan.Entry
	for _, name := range names {
		e, err := FindEntry(ledger, name)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}

	for _, e := range entries {
		ledger.Drop(e.Key)
	}

	return l.held.Save(ledger)
}

// Rename gives an entry of the ledger another name of the same kind, that no entry has. What it stands
// for stays as it is; a record has to stay in its zone.
func (l *Lock) Rename(name, to string) error {
	ledger := l.held.Ledger()
	e, err := FindEntry(ledger, name)
	if err != nil {
		return err
	}

	key := plan.Key{Kind: e.Key.Kind, Name: to}
	if err := l.checkRename(e, key); err != nil {
		return err
	}
	if _, taken := ledger.Get(key); taken {
		return fmt.Errorf("the ledger already has %q", to)
	}

	ledger.Drop(e.Key)
	e.Key = key
	ledger.Put(e)

	return l.held.Save(ledger)
}

func (l *Lock) checkRename(e plan.Entry, key plan.Key) error {
	switch {
	case key.Kind == forward.Kind:
		_, err := forward.ParsePort(key)
		return err
	case e.Target.Kind == plan.TargetZone:
		name, _, _, err := mail.SplitDNSKey(key)
		if err != nil {
			return err
		}
		if !mail.Within(name, mail.FQDN(e.Target.Name)) {
			return fmt.Errorf("%s is not in %s", name, e.Target)
		}
	}

	return nil
}

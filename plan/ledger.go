package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LedgerFormat names the form of an encoded Ledger.
const LedgerFormat = "mailpub/ledger/v1"

// Entry is what the ledger knows of one thing that mailpub put in place.
//
// A text is mailpub's exactly when it equals Text or Pending: whatever else stands
// there was put there by somebody else since, and is not touched without consent.
type Entry struct {
	Key    Key
	Target Target
	Stage  Stage

	Text    []string // last written and seen in place; nil while the first write is under way
	Pending []string // about to be written; nil when nothing is under way
	Base    []string // what mailpub itself wanted in a merged text
	Prior   []string // what was there before mailpub took it over; put back in the end
	Grant   *Grant

	// Removing says that a removal was about to be asked for, and that its end was not seen.
	Removing bool
}

// underWay reports whether a write or a removal began whose end was not seen.
func (e Entry) underWay() bool { return e.Pending != nil || e.Removing }

// Ledger is the account of what mailpub put in place for one site. It is plain
// memory; a Store keeps it. Not safe for concurrent use.
type Ledger struct {
	Site    string
	entries map[Key]*Entry
}

// NewLedger returns the empty ledger of a site.
func NewLedger(site string) *Ledger { return &Ledger{Site: site, entries: map[Key]*Entry{}} }

// Store keeps a ledger. Save returns when the ledger is safe on disk, and either
// replaces what was there as a whole or leaves it. A save under a lock that was lost
// meanwhile wraps ErrLockLost and saves nothing.
type Store interface{ Save(*Ledger) error }

// Get returns the entry of a key.
func (l *Ledger) Get(k Key) (Entry, bool) {
	if e := l.entries[k]; e != nil {
		return *e, true
	}
	return Entry{}, false
}

// Grant returns what was granted for a key, for drivers that can't read it back.
func (l *Ledger) Grant(k Key) (Grant, bool) {
	if e := l.entries[k]; e != nil && e.Grant != nil {
		return *e.Grant, true
	}
	return Grant{}, false
}

// Put adds or replaces an entry.
func (l *Ledger) Put(e Entry) { l.entries[e.Key] = &e }

// Drop forgets a key.
func (l *Ledger) Drop(k Key) { delete(l.entries, k) }

// Len returns the number of entries.
func (l *Ledger) Len() int { return len(l.entries) }

// byParty returns the entries of each party.
func (l *Ledger) byParty() map[Target][]*Entry {
	out := map[Target][]*Entry{}
	for _, e := range l.entries {
		out[e.Target] = append(out[e.Target], e)
	}
	return out
}

// Entries returns all entries, sorted by key.
func (l *Ledger) Entries() []Entry {
	return l.sorted(make([]Entry, 0, len(l.entries)), func(Key) bool { return true })
}

// Of returns the entries of a kind, sorted by key.
func (l *Ledger) Of(kind string) []Entry {
	return l.sorted(nil, func(k Key) bool { return k.Kind == kind })
}

// sorted appends the entries that match to out, which is empty.
func (l *Ledger) sorted(out []Entry, match func(Key) bool) []Entry {
	for k, e := range l.entries {
		if match(k) {
			out = append(out, *e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return a.Key.Compare(b.Key) })
	return out
}

type entryJSON struct {
	Kind    string     `json:"kind"`
	Name    string     `json:"name"`
	Target  Target     `json:"party"`
	Stage   Stage      `json:"stage"`
	Text    []string   `json:"text,omitzero"`
	Pending []string   `json:"pending,omitzero"`
	Base    []string   `json:"base,omitzero"`
	Prior   []string   `json:"prior,omitzero"`
	Grant   *grantJSON `json:"grant,omitempty"`

	Removing bool `json:"removing,omitempty"`
}

type grantJSON struct {
	Seconds int64     `json:"seconds"`
	At      time.Time `json:"at"`
	State   string    `json:"state,omitempty"`
}

// impossible reports whether a grant's times can't be: then they could not be written again.
func (g *grantJSON) impossible() bool {
	const century = 100 * 365 * 24 * 60 * 60
	return g != nil && (g.Seconds < 0 || g.Seconds > century || g.At.UTC().Year() < 0 ||
		g.At.UTC().Year() > 9998)
}

type ledgerJSON struct {
	Format  string      `json:"format"`
	Writer  string      `json:"writer,omitempty"` // version of the mailpub that wrote it
	Site    string      `json:"site"`
	Entries []entryJSON `json:"entries"`
}

// ErrNewer means that a newer mailpub wrote a ledger: what it says is not to be lost.
var ErrNewer = errors.New("it was written by a newer mailpub: use that version or a later one")

// ownVersion is the version of this program, as it was built; "" where that is not known.
func ownVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "(devel)" {
		return ""
	}
	return info.Main.Version
}

// wrongFormat says what a ledger of another format is.
func wrongFormat(format, writer string) error {
	const family = "mailpub/ledger/v"
	version, ours := strings.CutPrefix(format, family)
	if n, err := strconv.Atoi(version); ours && err == nil && n > 1 {
		if writer != "" {
			return fmt.Errorf("format is %q, this mailpub knows %q: %w (it was mailpub %s)",
				format, LedgerFormat, ErrNewer, writer)
		}
		return fmt.Errorf("format is %q, this mailpub knows %q: %w", format, LedgerFormat,
			ErrNewer)
	}

	return fmt.Errorf("format is %q, want %q", format, LedgerFormat)
}

// MarshalJSON encodes the ledger, entries sorted, so that equal ledgers are equal bytes.
func (l *Ledger) MarshalJSON() ([]byte, error) {
	out := ledgerJSON{
		Format:  LedgerFormat,
		Writer:  ownVersion(),
		Site:    l.Site,
		Entries: []entryJSON{},
	}

	for _, e := range l.Entries() {
		j := entryJSON{
			Kind:     e.Key.Kind,
			Name:     e.Key.Name,
			Target:   e.Target,
			Stage:    e.Stage,
			Text:     e.Text,
			Pending:  e.Pending,
			Base:     e.Base,
			Prior:    e.Prior,
			Removing: e.Removing,
		}

		if g := e.Grant; g != nil {
			j.Grant = &grantJSON{int64(g.Lifetime / time.Second), g.At.UTC(), g.State}
		}

		out.Entries = append(out.Entries, j)
	}

	return json.Marshal(out)
}

// UnmarshalJSON decodes a ledger. It fails on another format and on entries that
// can't be right.
func (l *Ledger) UnmarshalJSON(data []byte) error {
	in := ledgerJSON{Entries: make([]entryJSON, 0, bytes.Count(data, []byte(`"kind":`)))}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	if in.Format != LedgerFormat {
		return wrongFormat(in.Format, in.Writer)
	}

	got := &Ledger{Site: in.Site, entries: make(map[Key]*Entry, len(in.Entries))}
	for i, j := range in.Entries {
		k := Key{j.Kind, j.Name}
		if j.Kind == "" || j.Name == "" || j.Text == nil && j.Pending == nil {
			return fmt.Errorf("entry %d (%q) has no key or no text", i+1, k)
		}
		if _, twice := got.entries[k]; twice {
			return fmt.Errorf("entry %d: %q is there twice", i+1, k)
		}

		e := &Entry{
			Key:      k,
			Target:   j.Target,
			Stage:    j.Stage,
			Text:     j.Text,
			Pending:  j.Pending,
			Base:     j.Base,
			Prior:    j.Prior,
			Removing: j.Removing,
		}

		if j.Grant.impossible() {
			return fmt.Errorf("entry %d (%q): the grant is for no time that can be", i+1, k)
		}

		if g := j.Grant; g != nil {
			e.Grant = &Grant{time.Duration(g.Seconds) * time.Second, g.At, g.State}
		}

		got.entries[k] = e
	}

	*l = *got
	return nil
}

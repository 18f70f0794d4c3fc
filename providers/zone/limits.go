package zone

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
)

// Limits are what a provider does not take, as data. The zero value has none.
type Limits struct {
	MinTTL, MaxTTL time.Duration // zero: none known
	AutoTTL        int           // a listed number of seconds that stands for "automatic"
	Types          []string      // the record types it writes, sorted; nil: all
	OneTTL         bool          // the records of an RRset share one TTL (RFC 2181 section 5.2)
	ASCII          bool          // text is printable ASCII only
	NoText         string        // characters that text can't have
	Trims          bool          // text loses spaces at its ends
	MaxText        int           // octets of text, quotes and escapes included; 0: none known
	NoNullMX       bool          // takes no MX that says "no mail" (RFC 7505)
	NamesInCAA     bool          // the value of a CAA record is a domain name and nothing else
	NoTTL          bool          // the TTL is chosen elsewhere and can't be written
	UpdateOnly     bool          // changes the one record of a name and type; adds and removes none
}

// String returns the limits as one line for people, "none known" where there are none.
func (l Limits) String() string {
	var said []string
	if l.Types != nil {
		said = append(said, "writes only "+strings.Join(l.Types, ", "))
	}

	if l.MinTTL > 0 {
		said = append(said, "no TTL under "+plan.ConfigDuration(l.MinTTL))
	}

	if l.MaxTTL > 0 {
		said = append(said, "no TTL over "+plan.ConfigDuration(l.MaxTTL))
	}

	if l.ASCII {
		said = append(said, "text in printable ASCII only")
	}

	if l.NoText != "" {
		said = append(said, fmt.Sprintf("no text with any of %s", l.NoText))
	}

	if l.Trims {
		said = append(said, "no text that begins or ends with a space")
	}

	if l.MaxText > 0 {
		said = append(said, fmt.Sprintf("no text over %d octets, quotes and escapes included",
			l.MaxText))
	}

	if l.NoNullMX {
		said = append(said, "no null MX")
	}

	if l.NamesInCAA {
		said = append(said, "no CAA record whose value is not a domain name")
	}

	if l.NoTTL {
		said = append(said, "the TTL is not written")
	}

	if l.UpdateOnly {
		said = append(said, "changes what is there, where a name has one record of the type; adds and removes nothing")
	}

	if said == nil {
		return "none known"
	}

	return strings.Join(said, "; ")
}

// none reports whether every record is taken as long as an RRset has one TTL.
func (l Limits) none() bool {
	l.OneTTL = false // an item has one
	return reflect.ValueOf(l).IsZero()
}

// RefuseTTL says why a TTL is not taken, in one line, or "".
func (l Limits) RefuseTTL(ttl time.Duration) string {
	switch {
	case ttl < l.MinTTL:
		return "takes none under " + plan.ConfigDuration(l.MinTTL)
	case l.MaxTTL > 0 && ttl > l.MaxTTL:
		return "takes none over " + plan.ConfigDuration(l.MaxTTL)
	}
	return ""
}

// Refuse says why a record is not taken, or nothing.
func (l Limits) Refuse(r record.Record) string {
	if l.Types != nil && !slices.Contains(l.Types, r.Type) {
		return fmt.Sprintf("takes no %s records", r.Type)
	}

	if r.TTL >= 0 && r.Note == "" && (r.TTL == 0 || r.TTL != l.AutoTTL) {
		if why := l.RefuseTTL(record.Seconds(r.TTL)); why != "" {
			return fmt.Sprintf("does not take a TTL of %d s: it %s", r.TTL, why)
		}
	}

	switch {
	case r.Type == "TXT":
		return l.refuseText(r)
	case r.Type == "MX" && l.NoNullMX && strings.HasSuffix(r.Data, " ."):
		return "takes no null MX"
	case r.Type == "CAA" && l.NamesInCAA:
		if _, value, _ := record.CutLast(r.Data, " "); strings.ContainsAny(value, ";: \\") {
			return fmt.Sprintf("takes only a domain name as the value of a CAA record, not %s",
				value)
		}
	}

	return ""
}

func (l Limits) refuseText(r record.Record) string {
	text, err := mail.Text(r.Data)
	if err != nil {
		return err.Error()
	}
	if i := strings.IndexFunc(text, func(c rune) bool {
		return c < ' ' || c > '~'
	}); l.ASCII && i >= 0 {
		return fmt.Sprintf("takes only printable ASCII in text, and this has something else at octet %d", i+1)
	}
	if i := strings.IndexAny(text, l.NoText); i >= 0 {
		return fmt.Sprintf("does not keep %q in text", text[i:i+1])
	}
	if l.Trims && strings.Trim(text, " ") != text {
		return "does not keep the spaces at the ends of text"
	}
	if n := len(record.Quoted(text)); l.MaxText > 0 && n > l.MaxText {
		return fmt.Sprintf("takes no text over %d octets, quotes and escapes included, and this has %d",
			l.MaxText, n)
	}

	return ""
}

// Refuses says why the provider can't hold an item as it is wanted, in one line, or returns
// "" where it can. Such an item is a person's to enter elsewhere. It asks nobody.
func (z *Zone) Refuses(it plan.Item) string {
	t, err := z.target(it.Key)
	if err != nil {
		return err.Error()
	}
	if z.limits.none() {
		return "" // what is no data at all, RefusesChange finds
	}

	var rs []record.Record
	for _, l := range it.Lines {
		r, err := record.ParseLine(t.RRset, l, z.ttl)
		if err != nil {
			return err.Error()
		}
		rs = append(rs, r)
	}

	if err := z.allowed(rs, nil); err != nil {
		return err.Error()
	}

	return ""
}

// RefusesChange says why the provider can't carry out a change of what Read saw last, in one
// line, or returns "" where it can: what Refuses knows of the item alone, and what follows
// from the records beside it.
func (z *Zone) RefusesChange(c plan.Change) string {
	t, err := z.target(c.Key)
	if err != nil {
		return err.Error()
	}
	if why := z.aliasWildcard(t.Name); why != "" && c.Before == nil {
		return why
	}

	there := z.last.Sets[t.RRset]
	if _, err := z.next(t, there, there, c.After); err != nil {
		return err.Error()
	}

	return ""
}

// next returns the RRset that holds what is wanted of a key, where the provider takes it.
// There is what it holds now, set the same after earlier changes of a batch.
func (z *Zone) next(t record.Target, there, set []record.Record, want []string) ([]record.Record, error) {
	rs, err := z.merged(t, set, want)
	if err == nil {
		err = z.allowed(rs, there)
	}

	if err == nil && z.limits.UpdateOnly && (len(rs) != 1 || len(there) != 1) {
		err = fmt.Errorf("%s: %s only changes what is there, where a name has one record of the type; here are %d, and %d are wanted",
			t.RRset, z.provider, len(there), len(rs))
	}

	return rs, err
}

// allowed refuses what the provider would not take or would change, before anything is
// written. What is there already is the provider's own and not judged.
func (z *Zone) allowed(rs, there []record.Record) error {
	for i, r := range rs {
		if slices.ContainsFunc(there, func(o record.Record) bool {
			return o.Line() == r.Line()
		}) {
			continue
		}
		if why := z.limits.Refuse(r); why != "" {
			return fmt.Errorf("%s: %s %s", r.RRset, z.provider, why)
		}
		if z.limits.OneTTL && i > 0 && rs[0].TTL != r.TTL {
			return fmt.Errorf("%s: the records of an RRset have one TTL, not %d s and %d s",
				r.RRset, rs[0].TTL, r.TTL)
		}
	}

	return nil
}

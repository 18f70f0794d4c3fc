package providers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Limits are what a provider does not take, as data. The zero value has none.
type Limits struct {
	MinTTL, MaxTTL time.Duration // zero: none known
	AutoTTL        int           // a listed number of seconds that stands for "automatic"
	Types          []string      // the record types it writes, sorted; nil: all
	OneTTL         bool          // the records of an RRset share one TTL (RFC 2181 section 5.2)
	ASCII          bool          // text is printable ASCII only
	NoText         string        // characters that text can't have
}

// String returns the limits as one line for people, "none known" where there are none.
func (l Limits) String() string {
	var said []string
	if l.Types != nil {
		said = append(said, "writes only "+strings.Join(l.Types, ", "))
	}
	if l.MinTTL > 0 {
		said = append(said, "no TTL under "+spell(l.MinTTL))
	}
	if l.MaxTTL > 0 {
		said = append(said, "no TTL over "+spell(l.MaxTTL))
	}
	if l.ASCII {
		said = append(said, "text in printable ASCII only")
	}
	if l.NoText != "" {
		said = append(said, fmt.Sprintf("no text with any of %s", l.NoText))
	}
	if said == nil {
		return "none known"
	}
	return strings.Join(said, "; ")
}

// spell writes a duration without zeros at its end: "1h" and not "1h0m0s".
func spell(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// refuseTTL says why a TTL is not taken, or nothing.
func (l Limits) refuseTTL(ttl time.Duration) string {
	switch {
	case ttl < l.MinTTL:
		return "takes none under " + spell(l.MinTTL)
	case l.MaxTTL > 0 && ttl > l.MaxTTL:
		return "takes none over " + spell(l.MaxTTL)
	}
	return ""
}

// refuse says why a record is not taken, or nothing.
func (l Limits) refuse(r record) string {
	if l.Types != nil && !slices.Contains(l.Types, r.rrtype) {
		return fmt.Sprintf("takes no %s records", r.rrtype)
	}
	if r.ttl >= 0 && r.note == "" && (r.ttl == 0 || r.ttl != l.AutoTTL) {
		if why := l.refuseTTL(seconds(r.ttl)); why != "" {
			return fmt.Sprintf("does not take a TTL of %d s: it %s", r.ttl, why)
		}
	}
	if r.rrtype != "TXT" {
		return ""
	}
	text, err := plan.Text(r.data)
	if err != nil {
		return err.Error()
	}
	if i := strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c > '~' }); l.ASCII && i >= 0 {
		return fmt.Sprintf("takes only printable ASCII in text, and this has something else at octet %d", i+1)
	}
	if i := strings.IndexAny(text, l.NoText); i >= 0 {
		return fmt.Sprintf("does not keep %q in text", text[i:i+1])
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
	var rs []record
	for _, l := range it.Lines {
		r, err := parseLine(t.rrset, l, z.ttl)
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

// allowed refuses what the provider would not take or would change, before anything is
// written. What is there already is the provider's own and not judged.
func (z *Zone) allowed(rs, there []record) error {
	for i, r := range rs {
		if slices.ContainsFunc(there, func(o record) bool { return o.line() == r.line() }) {
			continue
		}
		if why := z.limits.refuse(r); why != "" {
			return fmt.Errorf("%s: %s %s", r.rrset, z.provider, why)
		}
		if z.limits.OneTTL && i > 0 && rs[0].ttl != r.ttl {
			return fmt.Errorf("%s: the records of an RRset have one TTL, not %d s and %d s", r.rrset, rs[0].ttl, r.ttl)
		}
	}
	return nil
}

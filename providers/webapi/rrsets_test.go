package webapi

import (
	"errors"
	"slices"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// An RRset is replaced only if it is still what the plan was made from, and what stays in
// it keeps its spelling and its place.
func TestEdited(t *testing.T) {
	set := record.RRset{Name: "x." + zonetest.Zone, Type: "TXT"}
	is := Set{
		RRset: set,
		TTL:   600,
		Values: []Value{{Text: `"b" "oth"`}, {Text: `"off"`, Disabled: true},
			{Text: `"caffè"`}},
	}

	line := func(l string) record.Record {
		r, err := record.ParseLine(set, l, 600)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}

	both := line(`"both" ttl 600`)
	cafe := line(`"caff\195\168" ttl 600`)
	ours := line(`"ours" ttl 600`)
	tests := []struct {
		name          string
		before, after []record.Record
		want          []string
		stale         bool
	}{
		{"one more", []record.Record{both, cafe}, []record.Record{both, cafe, ours}, []string{`"b" "oth"`, `"off"`, `"caffè"`, `"ours"`}, false},
		{"one less", []record.Record{both, cafe}, []record.Record{cafe}, []string{`"off"`, `"caffè"`}, false},
		{"one for another", []record.Record{both, cafe}, []record.Record{ours, cafe}, []string{`"off"`, `"caffè"`, `"ours"`}, false},
		{"one came meanwhile", []record.Record{both}, []record.Record{both, ours}, nil, true},
		{"one went meanwhile", []record.Record{both, cafe, ours}, []record.Record{both}, nil, true},
		{"none was there", nil, []record.Record{ours}, nil, true},
	}

	for _, test := range tests {
		got, err := is.Edited(zone.Edit{RRset: set, Before: test.before, After: test.after})
		switch {
		case test.stale != errors.Is(err, plan.ErrStale), !test.stale && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case err == nil && !slices.Equal(valuesOf(got), test.want):
			t.Errorf("%s: %q, want %q", test.name, valuesOf(got), test.want)
		}
	}
}

func valuesOf(s Set) (out []string) {
	for _, v := range s.Values {
		out = append(out, v.Text)
	}
	return out
}

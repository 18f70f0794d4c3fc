package providers

import (
	"errors"
	"slices"
	"testing"

	"github.com/mailpub/mailpub/plan"
)

// An RRset is replaced only if it is still what the plan was made from, and what stays in
// it keeps its spelling and its place.
func TestEdited(t *testing.T) {
	set := rrset{"x." + testZone, "TXT"}
	is := apiSet{rrset: set, ttl: 600, values: []apiValue{{text: `"b" "oth"`}, {text: `"off"`, off: true}, {text: `"caffè"`}}}
	line := func(l string) record {
		r, err := parseLine(set, l, 600)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	both, cafe, ours := line(`"both" ttl 600`), line(`"caff\195\168" ttl 600`), line(`"ours" ttl 600`)
	tests := []struct {
		name          string
		before, after []record
		want          []string
		stale         bool
	}{
		{"one more", []record{both, cafe}, []record{both, cafe, ours}, []string{`"b" "oth"`, `"off"`, `"caffè"`, `"ours"`}, false},
		{"one less", []record{both, cafe}, []record{cafe}, []string{`"off"`, `"caffè"`}, false},
		{"one for another", []record{both, cafe}, []record{ours, cafe}, []string{`"off"`, `"caffè"`, `"ours"`}, false},
		{"one came meanwhile", []record{both}, []record{both, ours}, nil, true},
		{"one went meanwhile", []record{both, cafe, ours}, []record{both}, nil, true},
		{"none was there", nil, []record{ours}, nil, true},
	}
	for _, test := range tests {
		got, err := is.edited(edit{set, test.before, test.after})
		switch {
		case test.stale != errors.Is(err, plan.ErrStale), !test.stale && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case err == nil && !slices.Equal(valuesOf(got), test.want):
			t.Errorf("%s: %q, want %q", test.name, valuesOf(got), test.want)
		}
	}
}

func valuesOf(s apiSet) (out []string) {
	for _, v := range s.values {
		out = append(out, v.text)
	}
	return out
}

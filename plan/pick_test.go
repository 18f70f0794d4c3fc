package plan

import (
	"context"
	"slices"
	"testing"
)

func TestPick(t *testing.T) {
	says := func(ids ...string) func(context.Context) []Check {
		return func(context.Context) (found []Check) {
			for _, id := range ids {
				found = append(found, Check{ID: id})
			}
			return found
		}
	}

	checkers := []Checker{
		{Area: "dns", IDs: []string{"mx.exists", "mx.target"}, Run: says("mx.exists", "mx.target", "mx.target")},
		{Area: "router", IDs: []string{"router.wan"}, Run: says("router.wan")},
		{Area: "mail", IDs: []string{"mail.outside"}, Also: []string{"smtp.banner"}, Run: says("mail.outside", "smtp.banner")},
	}

	for _, test := range []struct{ words, want []string }{
		{nil, []string{"mx.exists", "mx.target", "mx.target", "router.wan", "mail.outside", "smtp.banner"}},
		{[]string{"router"}, []string{"router.wan"}},
		{[]string{"mx.target", "router"}, []string{"mx.target", "mx.target", "router.wan"}},
		{[]string{"dns", "mx.target"}, []string{"mx.exists", "mx.target", "mx.target"}},
		{[]string{"smtp.banner"}, []string{"smtp.banner"}},
		{[]string{"spf.all"}, nil},
	} {
		var got []string
		for _, c := range RunChecks(t.Context(), SelectCheckers(checkers, test.words)) {
			got = append(got, c.ID)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.words, got, test.want)
		}
	}

	if len(checkers[0].IDs) != 2 || checkers[0].IDs[0] != "mx.exists" {
		t.Errorf("the checkers were altered: %q", checkers[0].IDs)
	}
}

package site

import (
	"errors"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// A forward whose lease the ledger knows is shown only where the plan saw it in the router.
func TestLeasesAreThoseSeen(t *testing.T) {
	key := plan.Key{Kind: forward.Kind, Name: "tcp/25"}
	lines := []string{"10.10.10.10:25"}
	l := plan.NewLedger("office")
	at := time.Now()
	l.Put(plan.Entry{
		Key:    key,
		Target: plan.Target{Kind: mail.TargetRouter},
		Text:   lines,
		Grant: &plan.Grant{
			At:       at,
			Lifetime: time.Hour,
		},
	})

	for _, test := range []struct {
		name string
		plan *Plan
		want int
	}{
		{"as it should be", &Plan{Plan: &plan.Plan{}}, 1},
		{"to be renewed", &Plan{Plan: &plan.Plan{Changes: []plan.Change{{Key: key, Action: plan.Update, Before: lines, After: lines, Renew: true}}}}, 1},
		{"forgotten by the router", &Plan{Plan: &plan.Plan{Changes: []plan.Change{{Key: key, Action: plan.Create, After: lines}}}}, 0},
		{"not readable", &Plan{Plan: &plan.Plan{Changes: []plan.Change{{Key: key, Action: plan.Unreadable, Before: lines}}}}, 0},
		{"no router", &Plan{Plan: &plan.Plan{Failed: []plan.PartyError{{Target: plan.Target{Kind: mail.TargetRouter}, Err: errors.New("no router")}}}}, 0},
		{"nothing was looked at", nil, 0},
	} {
		seen, renew := leases(l, test.plan.isInPlace)
		if len(seen) != test.want {
			t.Errorf("%s: %d leases, want %d", test.name, len(seen), test.want)
		}
		if want := at.Add(time.Hour/2 + time.Second); !renew.Equal(want) {
			t.Errorf("%s: to be renewed at %v, want %v", test.name, renew, want)
		}
	}
}

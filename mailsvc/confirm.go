package mailsvc

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// NeedConfirmed stands before the name of a need that the administrator answers for.
const NeedConfirmed = "confirmed"

// ConfirmedText is the text of such a need.
const ConfirmedText = "by the administrator"

// ConfirmedFor is how long a confirmation holds: a year.
const ConfirmedFor = 365 * 24 * time.Hour

// Confirmations are the needs that nobody can see, and that the administrator says are met. The day on which
// he did, and the server's version then, are kept in the ledger as the grant of the key.
type Confirmations struct {
	Needs    []string                          // "passwords"
	Recorded func(plan.Key) (plan.Grant, bool) // what the ledger has; nil: nothing
	Version  func(context.Context) string      // of the mail server, "" where that is not known; may be nil
	Now      func() time.Time                  // nil is time.Now
}

// spell puts a confirmation in the place of each need that is confirmed.
func (c Confirmations) spell(items []plan.Item) []plan.Item {
	out := slices.Clone(items)
	for i, it := range out {
		need, _ := SplitNeed(it.Key)
		if it.ByHand == "" || !slices.Contains(c.Needs, need) {
			continue
		}

		out[i] = plan.Item{
			Key:    plan.Key{Kind: Kind, Name: NeedConfirmed + " " + it.Key.Name},
			Lines:  []string{ConfirmedText},
			Stage:  it.Stage,
			Reason: "service.confirmed answers for it: " + it.ByHand,
		}
	}

	return out
}

// read returns the confirmation of a key as the ledger has it; nil where there is none. One that is a year
// old, or of another version of the server, is asked for once more.
func (c Confirmations) read(ctx context.Context, k plan.Key) *plan.Item {
	if c.Recorded == nil {
		return nil
	}

	g, ok := c.Recorded(k)
	if !ok {
		return nil
	}

	it := &plan.Item{Key: k, Lines: []string{ConfirmedText}}
	day := g.At.Format(time.DateOnly)
	now := c.version(ctx)

	switch {
	case c.now().After(g.At.Add(ConfirmedFor)):
		it.Again = "confirmed on " + day + ", over a year ago: check the setting, then run apply to confirm it again"
	case now != "" && g.State != "" && now != g.State:
		it.Again = fmt.Sprintf("confirmed on %s for version %s, but the server is %s now: check the setting, then run apply to confirm it again",
			day, g.State, now)
	}

	return it
}

// grant is what the ledger keeps of a confirmation. It has no lifetime: that is not renewed in silence.
func (c Confirmations) grant(ctx context.Context) *plan.Grant {
	return &plan.Grant{At: c.now(), State: c.version(ctx)}
}

func (c Confirmations) version(ctx context.Context) string {
	if c.Version == nil {
		return ""
	}
	return c.Version(ctx)
}

func (c Confirmations) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// confirmed returns the key of the need that a confirmation is of.
func confirmed(k plan.Key) (need plan.Key, ok bool) {
	word, name := SplitNeed(k)
	return plan.Key{Kind: k.Kind, Name: name}, word == NeedConfirmed
}

// IsConfirmation reports whether a key is a confirmation.
func IsConfirmation(k plan.Key) bool {
	_, is := confirmed(k)
	return is
}

package site

import (
	"context"
	"slices"

	"github.com/mailpub/mailpub/mailsvc/dkim"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// record is the key of the record in a plan.
func (k Key) record() plan.Key { return mail.DKIM{Selector: k.Selector}.RecordKey(k.Domain) }

// MakeAllKeys makes the DKIM keys that are missing, and tells of each (KeyMade).
func (l *Lock) MakeAllKeys(ctx context.Context) error {
	return l.makeKeys(ctx, func(Key) bool { return true })
}

// MakeKeys makes the DKIM keys that a plan lacks, and returns the plan with their records. It fails with
// plan.ErrStale where anything else differs meanwhile. With a plan that lacks none it returns that. What a
// cutover moves is in neither plan.
func (l *Lock) MakeKeys(ctx context.Context, p *Plan) (*Plan, error) {
	lacks := func(k plan.Key) bool {
		return slices.Contains(p.Unmade, k) &&
			slices.ContainsFunc(p.Changes, func(c plan.Change) bool {
				return c.Key == k
			})
	}

	if !slices.ContainsFunc(p.Unmade, lacks) {
		return p, nil
	}
	if err := l.makeKeys(ctx, func(k Key) bool { return lacks(k.record()) }); err != nil {
		return nil, err
	}

	s, err := l.Open(ctx)
	if err != nil {
		return nil, err
	}

	made, err := s.Plan(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := made.WithoutCutover(); err != nil {
		return nil, err
	}

	saved := plan.Saved{Site: p.Plan.Site, Changes: slices.Clone(p.Changes)}
	for i, c := range saved.Changes {
		j := slices.IndexFunc(made.Changes, func(m plan.Change) bool {
			return m.Key == c.Key && m.Action == c.Action
		})
		if lacks(c.Key) && j >= 0 {
			saved.Changes[i].After = made.Changes[j].After
		}
	}

	return made, saved.Stale(made.Plan)
}

func (l *Lock) makeKeys(ctx context.Context, wanted func(Key) bool) error {
	keys, err := Keys(ctx, l.cfg)
	if err != nil {
		return err
	}

	for _, k := range keys {
		if k.Record != "" || !wanted(k) {
			continue
		}
		if _, err := dkim.Make(k.File, k.Algorithm); err != nil {
			return err
		}
		l.options.tell(KeyMade{k})
	}

	return nil
}

// KeyMade is told of a new DKIM key.
type KeyMade struct{ Key Key }

func (KeyMade) event() {}

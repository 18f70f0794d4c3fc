package plan

// Restores reports whether a change does no more than put back, or renew, what the ledger says
// that mailpub had put in place. What the config wants only since, what a stranger changed, and
// what is to go are an administrator's to decide on.
func (l *Ledger) Restores(c Change) bool {
	e := l.entries[c.Key]
	if e == nil || !c.Writes() || c.Adopt || c.Release {
		return false
	}
	return e.Text != nil && EqualLines(c.After, e.Text) ||
		e.Pending != nil && EqualLines(c.After, e.Pending)
}

// Only returns the plan cut down to the changes that may be made. Of what apply would only write
// into the ledger that part stays which the ledger knows already.
func (p *Plan) Only(l *Ledger, may func(Change) bool) *Plan {
	out := &Plan{
		Site:      p.Site,
		Unchanged: p.Unchanged,
		Scope:     p.Scope,
		Failed:    p.Failed,
	}

	for _, c := range p.Changes {
		if may(c) {
			out.Changes = append(out.Changes, c)
		}
	}

	for _, e := range p.keep {
		if l.entries[e.Key] != nil {
			out.keep = append(out.keep, e)
		}
	}

	return out
}

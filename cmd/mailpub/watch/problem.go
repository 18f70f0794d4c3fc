package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
)

// problem is one thing that is not as it should be. Its JSON is what is remembered.
type problem struct {
	Subject subjectKey `json:"subject"` // its key too
	Since   time.Time  `json:"since"`
	Got     string     `json:"got,omitempty"`
	Want    string     `json:"want,omitempty"`
	Hint    string     `json:"hint,omitempty"`
	Under   subjectKey `json:"under,omitzero"` // what it follows from
	Told    bool       `json:"told,omitempty"` // somebody was told, or would have been but for its flapping

	says string // of a cause: in a few words
	soft bool   // it may be gone in a moment
}

func (t *problem) item(now time.Time, healed bool) Item {
	th := Item{
		Subject: t.Subject.String(),
		Got:     t.Got,
		Want:    t.Want,
		Hint:    t.Hint,
		Since:   t.Since,
	}

	if t.Under.words != "" {
		th.Cause = t.Under.check
	}

	if healed {
		th.Seconds = now.Sub(t.Since).Seconds()
		th.Got = ""
		th.Want = ""
		th.Hint = ""
		th.Cause = ""
	}

	return th
}

func problemOf(c plan.Change) *problem {
	t := &problem{
		Subject: subjectOf(c),
		Got:     "none",
		Want:    strings.Join(c.After, ", "),
		Hint:    c.Reason,
	}

	if len(c.Before) > 0 {
		t.Got = strings.Join(c.Before, ", ")
	}

	if t.Want == "" {
		t.Want = "none"
	}

	switch {
	case c.Adopt:
		t.Hint += "; mailpub apply --adopt takes it over"
	case c.Writes():
		t.Hint += "; mailpub apply does it"
	}

	return t
}

// passResult is what a pass says of each subject: broken, well, or not known.
type passResult struct {
	broken   map[subjectKey]*problem
	well     map[subjectKey]bool
	unknown  map[subjectKey]bool
	complete bool // what it does not name is no more
	order    []subjectKey
}

// newPassResult makes a picture of what was found.
func newPassResult(f Observation) passResult {
	p := passResult{
		broken:   map[subjectKey]*problem{},
		well:     map[subjectKey]bool{},
		unknown:  map[subjectKey]bool{},
		complete: f.Err == nil && len(f.Unread) == 0,
	}

	for _, c := range f.Report.Checks {
		subject := subjectOfCheck(c)
		switch c.Status {
		case plan.Fail:
			p.add(&problem{
				Subject: subject,
				Got:     c.Got,
				Want:    c.Want,
				Hint:    c.Hint,
			})
		case plan.Skip:
			p.unknown[subject] = true
		default:
			p.well[subject] = true
		}
	}

	p.causes(f.Report)
	for _, c := range f.Report.Changes {
		switch {
		case c.Action == plan.Unreadable:
			p.unknown[subjectOf(c)] = true
		case c.Renew: // it is as it should be, for now
		case c.Differs():
			p.add(problemOf(c))
		}
	}

	for _, e := range f.Unread {
		p.add(&problem{
			Subject: subjectKey{"read", e.Target.String()},
			Got:     e.Err.Error(),
			Hint:    "cannot compare it until it answers",
			soft:    true,
		})
	}

	switch {
	case f.Err != nil && isDisputed(f.Sightings):
		p.addDispute(f.Err)
	case f.Err != nil:
		p.add(&problem{Subject: subjectPass(), Got: f.Err.Error(), soft: true})
	}

	for _, a := range f.Public { // that a PTR record is missing is one thing
		pointer := p.broken[subjectKey{catalog.DNSDrift, mail.ReverseName(a) + " PTR"}]
		for _, id := range []string{catalog.HostPTR, catalog.HostFCrDNS} {
			if t := p.broken[subjectKey{id, a.String()}]; t != nil && pointer != nil {
				t.Under = pointer.Subject
			}
		}
	}

	if p.broken[subjectGateway()] != nil { // it takes all that the router would tell with it
		for _, s := range []subjectKey{subjectPass(), {"read", "router"}} {
			if t := p.broken[s]; t != nil {
				t.Under = subjectGateway()
			}
		}
	}

	return p
}

func (p *passResult) add(t *problem) {
	if p.broken[t.Subject] == nil {
		p.broken[t.Subject] = t
		p.order = append(p.order, t.Subject)
	}
}

// causes notes what follows from what.
func (p *passResult) causes(r plan.Report) {
	checks := r.Checks
	for _, cause := range r.Causes {
		lead := checks[cause.Check]
		root := p.broken[subjectOfCheck(lead)]
		if root == nil {
			continue
		}

		root.says = cause.Says
		for _, i := range cause.Consequences {
			if t := p.broken[subjectOfCheck(checks[i])]; t != nil && t != root {
				t.Under = root.Subject
			}
		}
	}
}

// problems are those of a site that are known.
type problems struct {
	Known map[subjectKey]*problem // by subject
	Flaps map[subjectKey]*flapCounter
}

// stateChanges is what changed.
type stateChanges struct {
	broke, healed []*problem   // those that somebody is to be told of first in each
	flapping      []*problem   // began to
	settled       []stabilized // came to rest
}

func (n stateChanges) empty() bool {
	return len(n.broke)+len(n.healed)+len(n.flapping)+len(n.settled) == 0
}

// update compares a picture with what is known, and returns what is news. A soft trouble is news
// when it is there the second time.
func (ts *problems) update(p passResult, now time.Time) (n stateChanges) {
	for _, subject := range p.order {
		t := p.broken[subject]
		old := ts.Known[subject]
		if old == nil {
			t.Since = now
			ts.Known[subject] = t
			if t.soft {
				continue
			}
		} else {
			old.Got = t.Got
			old.Want = t.Want
			old.Hint = t.Hint
			old.Under = t.Under
			old.says = t.says
			t = old
		}

		if t.Told || ts.isReported(t) {
			continue
		}

		n.broke = append(n.broke, t)
	}

	for _, subject := range sortedSubjects(ts.Known) {
		if p.unknown != nil && p.broken[subject] == nil { // a whole picture, and it is not in it: no hurry
			ts.Known[subject].soft = false
		}

		if p.broken[subject] != nil || p.unknown[subject] || !p.well[subject] && !p.complete {
			continue
		}

		if t := ts.resolve(subject); t.Told {
			n.healed = append(n.healed, t)
		}
	}

	ts.suppressFlapping(&n, now)
	return n
}

// resolve forgets a trouble.
func (ts *problems) resolve(subject subjectKey) *problem {
	t := ts.Known[subject]
	delete(ts.Known, subject)
	return t
}

// isReported reports whether a trouble follows from one that somebody was told of before, and what
// it follows from is still there.
func (ts *problems) isReported(t *problem) bool {
	root := ts.Known[t.Under]
	return t.Under != (subjectKey{}) && root != nil && root.Told
}

// title says in one line what a list of troubles is: the cause with most consequences in front.
func title(list []*problem) string {
	count := map[subjectKey]int{}
	for _, t := range list {
		count[t.rootCause()]++
	}

	first := list[0]
	for _, t := range list {
		if t.Under == (subjectKey{}) && (first.Under != (subjectKey{}) ||
			count[t.Subject] > count[first.Subject]) {
			first = t
		}
	}

	var more []string
	for _, t := range list {
		if t != first && t.rootCause() != first.rootCause() {
			more = append(more, t.Subject.String())
		}
	}

	text := first.name()
	if n := count[first.rootCause()]; n > 1 && sameCheck(list, first.rootCause()) {
		text += fmt.Sprintf(" (%d)", n) // five forwards
	} else if n > 1 {
		text += fmt.Sprintf(", and its consequences (%d)", n-1)
	}

	switch len(more) {
	case 0:
	case 1:
		text += "; " + more[0]
	default:
		text += fmt.Sprintf("; and %d other things", len(more))
	}

	return text
}

// sameCheck reports whether what follows from a root is the same as that: one check of several things.
func sameCheck(list []*problem, root subjectKey) bool {
	return !slices.ContainsFunc(list, func(t *problem) bool {
		return t.rootCause() == root && t.Subject.check != root.check
	})
}

// name is what a trouble is called in a title.
func (t *problem) name() string {
	switch {
	case t.says != "":
		return t.says
	case t.Subject == subjectPass():
		return "status unknown"
	case t.Subject == subjectRepair():
		return "automatic repair failed"
	}

	return t.Subject.String()
}

// formatDuration writes a duration as people say it, exactly where it is short.
func formatDuration(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return plan.FormatDuration(d)
}

// hasTransient reports whether something may be gone in a moment, or else is news.
func (ts *problems) hasTransient() bool {
	for _, t := range ts.Known {
		if t.soft && !t.Told && !ts.isReported(t) {
			return true
		}
	}
	return false
}

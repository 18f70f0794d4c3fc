package watch

import (
	"slices"
	"time"
)

// What breaks flapsFrom times within flapWindow flaps; what keeps still for as long as that has
// come to rest.
const (
	flapsFrom  = 3
	flapWindow = time.Hour
)

// flapCounter is how often a thing broke lately. Its JSON is what is remembered.
type flapCounter struct {
	Breaks []time.Time `json:"breaks,omitempty"`
	On     bool        `json:"on,omitempty"`
	Last   time.Time   `json:"last,omitzero"` // when it changed last, while On
}

// stabilized is a thing that flapped and does no more.
type stabilized struct {
	subject subjectKey
	broken  *problem // nil: it is well
}

// suppressFlapping takes out of the news what only goes on flapping.
func (ts *problems) suppressFlapping(n *stateChanges, now time.Time) {
	flapping := map[subjectKey]bool{}
	quiet := func(t *problem) bool { // of a flapping root, or that itself
		f := ts.Flaps[t.rootCause()]
		return f != nil && f.On && !flapping[t.rootCause()]
	}

	for _, t := range n.broke {
		t.Told = true
		if t.Under != (subjectKey{}) {
			continue
		}

		f := ts.Flaps[t.Subject]
		if f == nil {
			f = &flapCounter{}
			ts.Flaps[t.Subject] = f
		}

		f.Breaks = slices.DeleteFunc(append(f.Breaks, now), func(at time.Time) bool {
			return now.Sub(at) >= flapWindow
		})

		if f.On {
			f.Last = now
		} else if len(f.Breaks) >= flapsFrom {
			f.On = true
			f.Last = now
			flapping[t.Subject] = true
			n.flapping = append(n.flapping, t)
		}
	}

	for _, t := range n.healed {
		if f := ts.Flaps[t.Subject]; f != nil && f.On {
			f.Last = now
		}
	}

	n.broke = slices.DeleteFunc(n.broke, func(t *problem) bool {
		return quiet(t) || flapping[t.rootCause()]
	})

	n.healed = slices.DeleteFunc(n.healed, quiet)
	ts.expireFlapping(n, now)
}

// expireFlapping finds what has kept still long enough, and forgets what broke long ago.
func (ts *problems) expireFlapping(n *stateChanges, now time.Time) {
	for _, subject := range sortedSubjects(ts.Flaps) {
		f := ts.Flaps[subject]
		switch {
		case f.On && now.Sub(f.Last) >= flapWindow:
			n.settled = append(n.settled, stabilized{subject, ts.Known[subject]})
			delete(ts.Flaps, subject)
		case !f.On && now.Sub(f.Breaks[len(f.Breaks)-1]) >= flapWindow:
			delete(ts.Flaps, subject)
		}
	}
}

// rootCause is the subject that a trouble follows from, or its own.
func (t *problem) rootCause() subjectKey {
	if t.Under != (subjectKey{}) {
		return t.Under
	}
	return t.Subject
}

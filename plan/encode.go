package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Formats of the JSON that mailpub prints and saves.
const (
	PlanFormat   = "mailpub/plan/v1"
	ReportFormat = "mailpub/report/v1"
)

// changeJSON is a Change as the contract has it, then what apply needs beyond that.
type changeJSON struct {
	Kind   string   `json:"kind"`
	Name   string   `json:"name"`
	Action Action   `json:"action"`
	Adopt  bool     `json:"adopt"`
	Before []string `json:"before"`
	After  []string `json:"after"`
	Reason string   `json:"reason"`

	Target  Target   `json:"party"`
	Stage   Stage    `json:"stage"`
	Renew   bool     `json:"renew,omitempty"`
	Lease   int64    `json:"lease_seconds,omitempty"`
	Release bool     `json:"release,omitempty"`
	Unseen  bool     `json:"unseen,omitempty"`
	Passing bool     `json:"passing,omitempty"`
	Base    []string `json:"base,omitempty"`
}

// MarshalJSON encodes the change as in the plan's JSON contract.
func (c Change) MarshalJSON() ([]byte, error) {
	return json.Marshal(changeJSON{
		Kind:    c.Key.Kind,
		Name:    c.Key.Name,
		Action:  c.Action,
		Adopt:   c.Adopt,
		Before:  append([]string{}, c.Before...),
		After:   append([]string{}, c.After...),
		Reason:  c.Reason,
		Target:  c.Target,
		Stage:   c.Stage,
		Renew:   c.Renew,
		Lease:   int64(c.Lease / time.Second),
		Release: c.Release,
		Unseen:  c.Unseen,
		Passing: c.Passing,
		Base:    c.Base,
	})
}

// UnmarshalJSON is the reverse of MarshalJSON.
func (c *Change) UnmarshalJSON(data []byte) error {
	var j changeJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}

	*c = Change{
		Key:     Key{j.Kind, j.Name},
		Action:  j.Action,
		Adopt:   j.Adopt,
		Reason:  j.Reason,
		Before:  slices.Clip(j.Before),
		After:   slices.Clip(j.After),
		Target:  j.Target,
		Stage:   j.Stage,
		Renew:   j.Renew,
		Lease:   time.Duration(j.Lease) * time.Second,
		Release: j.Release,
		Unseen:  j.Unseen,
		Passing: j.Passing,
		Base:    j.Base,
	}

	return nil
}

type planJSON struct {
	Format  string   `json:"format"`
	Site    string   `json:"site"`
	Scope   []string `json:"scope,omitempty"`
	Changes []Change `json:"changes"`
	Summary Summary  `json:"summary"`
	Effects []Effect `json:"effects,omitempty"`
	Digest  string   `json:"digest,omitempty"`
}

// MarshalJSON encodes the plan. The digest at its end guards a saved plan against
// changes by hand; it is no signature.
func (p *Plan) MarshalJSON() ([]byte, error) {
	out := planJSON{
		Format:  PlanFormat,
		Site:    p.Site,
		Scope:   p.Scope,
		Changes: append([]Change{}, p.Changes...),
		Summary: p.Summary(),
		Effects: p.Effects,
	}

	body, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}

	out.Digest = digest(body)
	return json.Marshal(out)
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Saved is a plan as it was saved. It can't be applied: it is compared with a plan
// made now (see Stale).
type Saved struct {
	Site    string
	Scope   []string // see Plan.Scope
	Changes []Change

	Unchanged int
	Effects   []Effect
}

// DecodeSaved reads a saved plan. It fails on another format and when the plan was
// changed after it was saved.
func DecodeSaved(data []byte) (Saved, error) {
	var in planJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return Saved{}, fmt.Errorf("not a saved plan: %w", err)
	}
	if in.Format != PlanFormat {
		return Saved{}, fmt.Errorf("format is %q, want %q", in.Format, PlanFormat)
	}

	was := in.Digest
	in.Digest = ""
	body, err := json.Marshal(in)
	if err != nil {
		return Saved{}, err
	}
	if digest(body) != was {
		return Saved{}, errors.New("was changed after it was saved")
	}

	return Saved{
		Site:      in.Site,
		Scope:     in.Scope,
		Changes:   in.Changes,
		Unchanged: in.Summary.Unchanged,
		Effects:   in.Effects,
	}, nil
}

// Stale returns nil when a plan made now would do the same as the saved one, else an
// error that wraps ErrStale and names the first difference.
func (s Saved) Stale(now *Plan) error {
	is := map[Key]Change{}
	for _, c := range now.Changes {
		is[c.Key] = c
	}

	for _, c := range s.Changes {
		n, ok := is[c.Key]
		if !ok {
			return fmt.Errorf("%w: %s needs no %s any more", ErrStale, c.Key, c.Action)
		}
		if !sameChange(c, n) {
			return fmt.Errorf("%w: %s is now %q", ErrStale, c.Key, n.Before)
		}

		delete(is, c.Key)
	}

	for _, c := range now.Changes {
		if _, extra := is[c.Key]; extra {
			return fmt.Errorf("%w: %s needs a %s that the saved plan does not have", ErrStale,
				c.Key, c.Action)
		}
	}

	return nil
}

// Remains returns nil when a plan made now is what is left of the saved one, which was begun and did not end:
// each change that is left is as it was saved, and what is missing is in place as it was saved, as the
// ledger knows. Else the error wraps ErrStale and names the first difference. An untouched plan remains
// whole.
func (s Saved) Remains(now *Plan, l *Ledger) error {
	is := map[Key]Change{}
	for _, c := range now.Changes {
		is[c.Key] = c
	}

	for _, c := range s.Changes {
		n, left := is[c.Key]
		delete(is, c.Key)
		switch {
		case left && !sameChange(c, n):
			return fmt.Errorf("%w: %s is now %q", ErrStale, c.Key, n.Before)
		case !left && c.Writes() && !l.carriedOut(c):
			return fmt.Errorf("%w: %s is no longer to be changed, and mailpub did not do it", ErrStale,
				c.Key)
		}
	}

	for _, c := range now.Changes {
		if _, extra := is[c.Key]; extra {
			return fmt.Errorf("%w: %s needs a %s that the saved plan does not have", ErrStale,
				c.Key, c.Action)
		}
	}

	return nil
}

// carriedOut reports whether a change that is no longer needed was carried out, or was under way. What was to be
// given back needs nothing more once it is not mailpub's, whoever saw to that.
func (l *Ledger) carriedOut(c Change) bool {
	e, known := l.Get(c.Key)
	return c.Release || c.Action == Delete && !known || known && (EqualLines(e.Text, c.After) || EqualLines(e.Pending, c.After))
}

// sameChange reports whether two changes do the same to the same.
func sameChange(a, b Change) bool {
	return a.Key == b.Key && a.Action == b.Action && a.Adopt == b.Adopt &&
		EqualLines(a.Before, b.Before) && EqualLines(a.After, b.After)
}

// Report is the outcome of verify, and with changes of drift.
type Report struct {
	Site    string
	Checks  []Check
	Causes  []Cause  // what several checks follow from; catalog.NewReport finds them
	Changes []Change // drift only
	Drift   bool     // whether Changes belongs in the report
}

// Differs reports whether a check failed or something is other than the config asks for.
func (r Report) Differs() bool {
	return Count(r.Checks).Fail > 0 || slices.ContainsFunc(r.Changes, Change.Differs)
}

// MarshalJSON encodes the report as in the JSON contract.
func (r Report) MarshalJSON() ([]byte, error) {
	out := struct {
		Format  string    `json:"format"`
		Site    string    `json:"site"`
		Checks  []Check   `json:"checks"`
		Summary Tally     `json:"summary"`
		Changes *[]Change `json:"changes,omitempty"`
	}{ReportFormat, r.Site, append([]Check{}, r.Checks...), Count(r.Checks), nil}

	if r.Drift {
		changes := append([]Change{}, r.Changes...)
		out.Changes = &changes
	}

	return json.Marshal(out)
}

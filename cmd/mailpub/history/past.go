package history

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// Past is what a history file says of one site, wherever its lines are kept.
type Past struct{ records []entry }

// ReadPast reads the lines of a history. What is no record is left out.
func ReadPast(r io.Reader) (Past, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return Past{}, err
	}
	records, _ := parse(data)
	return Past{records}, nil
}

// parse reads the records of a file, and how many lines it has. A line that a full disk or a crash cut off is left out.
func parse(data []byte) (records []entry, lines int) {
	for line := range bytes.Lines(data) {
		lines++
		var r entry
		if json.Unmarshal(line, &r) == nil && r.At != 0 {
			records = append(records, r)
		}
	}
	return records, lines
}

// StateLine is the line of a state, without its end; see Store.AddState.
func StateLine(at time.Time, state State, valid time.Duration) string {
	return stateEntry(at, state, valid).line()
}

// EventLine is the line of an event, without its end.
func EventLine(e watch.Event) string { return eventEntry(e).line() }

func stateEntry(at time.Time, state State, valid time.Duration) entry {
	return entry{
		At:    at.Unix(),
		Until: at.Add(valid).Unix(),
		State: state,
	}
}

func eventEntry(e watch.Event) entry {
	return entry{
		At:      e.At.Unix(),
		Kind:    e.Kind,
		Subject: e.Subject,
		Text:    e.Text,
		Took:    e.Took.Milliseconds(),
	}
}

func (r entry) line() string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	if err := enc.Encode(r); err != nil {
		panic(err) // numbers and texts alone
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Events returns the newest events, newest first, at most so many, under the name of the site.
func (p Past) Events(site string, most int) []watch.Event {
	var list []watch.Event
	for _, r := range slices.Backward(p.records) {
		if r.Kind == "" {
			continue
		}

		list = append(list, watch.Event{
			Site:    site,
			At:      time.Unix(r.At, 0),
			Kind:    r.Kind,
			Subject: r.Subject,
			Text:    r.Text,
			Took:    time.Duration(r.Took) * time.Millisecond,
		})
	}

	slices.SortStableFunc(list, func(a, b watch.Event) int {
		return cmp.Compare(b.At.Unix(), a.At.Unix())
	})

	return list[:min(most, len(list))]
}

// Days returns the last n days, oldest first; the last one is today and ends now.
func (p Past) Days(now time.Time, n int) []Day {
	year, month, day := now.Date()
	days := make([]Day, n)
	for i := range days { // AddDate and not 24 hours: two days of the year are not as long
		days[i] = Day{
			Start: time.Date(year, month, day-(n-1)+i, 0, 0, 0, 0, now.Location()),
			In:    map[State]time.Duration{},
		}
	}

	for _, r := range foldStates(p.records) {
		addToDays(days, now, time.Unix(r.At, 0), time.Unix(r.Until, 0), r.State)
	}

	for i, d := range days {
		rest := dayEnd(days, i, now).Sub(d.Start)
		for _, t := range d.In {
			rest -= t
		}
		d.In[Unknown] += max(rest, 0)
	}

	return days
}

// TimeOf is when the line of a history was written; the zero time of what is no line of one.
func TimeOf(line string) time.Time {
	var r entry
	if json.Unmarshal([]byte(line), &r) != nil || r.At == 0 {
		return time.Time{}
	}
	return time.Unix(r.At, 0)
}

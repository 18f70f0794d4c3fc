package history

import (
	"context"
	"time"
)

// Day is how a site was on one day of the clock that the caller's times are in.
type Day struct {
	Start time.Time
	In    map[State]time.Duration // how long in each state; Unknown is what is left of the day up to now
}

// Worst is the worst that is known of the day; Unknown where nobody looked.
func (d Day) Worst() State {
	for _, s := range []State{Bad, Uneasy, Good} {
		if d.In[s] > 0 {
			return s
		}
	}
	return Unknown
}

// Uptime is the share of the known time in which mail arrived, from 0 to 1. known is false where
// nobody looked.
func (d Day) Uptime() (share float64, known bool) {
	well := d.In[Good] + d.In[Uneasy]
	all := well + d.In[Bad]
	if all == 0 {
		return 0, false
	}
	return float64(well) / float64(all), true
}

// Days returns the last n days, oldest first; the last one is today and ends now.
func (s *Store) Days(_ context.Context, site string, now time.Time, n int) ([]Day, error) {
	records, _, err := readFile(s.path(site))
	return Past{records}.Days(now, n), err
}

// addToDays adds a time in a state to the days on which it falls.
func addToDays(days []Day, now, since, until time.Time, state State) {
	for i, d := range days {
		from, to := since, until
		if from.Before(d.Start) {
			from = d.Start
		}

		if e := dayEnd(days, i, now); to.After(e) {
			to = e
		}

		if t := to.Sub(from); t > 0 {
			d.In[state] += t
		}
	}
}

func dayEnd(days []Day, i int, now time.Time) time.Time {
	if i+1 < len(days) {
		return days[i+1].Start
	}
	return now
}

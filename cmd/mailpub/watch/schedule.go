package watch

import "time"

// after returns when the pass comes that follows one that began at start. random returns a
// number below n.
func (s Schedule) after(start time.Time, random func(n int64) int64) time.Time {
	next := start.Add(s.Every)
	if s.Cron != nil {
		next = s.Cron.Next(start)
	}

	if s.Jitter > 0 {
		next = next.Add(time.Duration(random(int64(s.Jitter))))
	}

	return next
}

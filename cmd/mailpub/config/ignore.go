package config

import (
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Ignore is a finding that the administrator ignores for a time.
type Ignore struct {
	Check   string `mapstructure:"check"`
	Subject string `mapstructure:"subject"` // as verify shows it; "": every subject of the check
	Until   string `mapstructure:"until"`   // the last day, "2027-01-31"
	Why     string `mapstructure:"why"`
}

// Matches reports whether a finding is meant.
func (i Ignore) Matches(c plan.Check) bool {
	return c.ID == i.Check && (i.Subject == "" || sameName(i.Subject, c.Subject.String()))
}

// Ended reports whether the last day is over, by the local time of now.
func (i Ignore) Ended(now time.Time) bool {
	last, err := time.ParseInLocation(time.DateOnly, i.Until, now.Location())
	return err != nil || !now.Before(last.AddDate(0, 0, 1))
}

func sameName(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

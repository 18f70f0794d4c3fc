package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
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

func (k *checker) ignores() {
	for n, ig := range k.c.Ignore {
		path := fmt.Sprintf("ignore[%d]", n)
		if _, known := catalog.Lookup(ig.Check); !known {
			k.add(path+".check", "%q is not a check, %s", ig.Check, suggestCheck(ig.Check))
		}
		if _, err := time.Parse(time.DateOnly, ig.Until); err != nil {
			k.add(path+".until", "is %q, want the last day, like 2027-01-31", ig.Until)
		}
		if strings.TrimSpace(ig.Why) == "" {
			k.add(path+".why", "is missing, want the reason in a few words")
		}
	}
}

func suggestCheck(word string) string {
	if best := plan.Nearest(word, catalog.IDs()); best != "" {
		return "did you mean " + best + "?"
	}
	return "want an id as mailpub verify shows it (docs/checks.md lists them)"
}

package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

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

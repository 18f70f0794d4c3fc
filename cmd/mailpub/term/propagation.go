package term

import (
	"fmt"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/providers/dnscheck"
)

// showPropagation says whether all name servers have what was written, and how long resolvers may
// keep the old answers.
func showPropagation(u *UI, s dnscheck.Propagation) {
	out := u.Text()
	switch n := len(s.Agree); {
	case len(s.Behind) > 0:
		fmt.Fprintf(out, "%s not on all name servers yet: %s. mailpub verify shows when they agree.\n",
			u.Yellow("DNS:"), Clean(site.StaleServers(s.Behind)))
	case n == 1:
		fmt.Fprintf(out, "%s the name server serves the new records.\n", u.Green("DNS:"))
	case n > 1:
		fmt.Fprintf(out, "%s all %d name servers serve the new records.\n", u.Green("DNS:"), n)
	}

	for _, err := range s.Silent {
		fmt.Fprintf(out, "%s did not answer: %s\n", u.Yellow("DNS:"), Clean(err.Error()))
	}

	for _, c := range s.Cached {
		left := ""
		if c.Left > 0 {
			left = " for up to " + plan.FormatDuration(c.Left)
		}
		fmt.Fprintf(out, "%s resolver %s still has the old answer for %s%s\n",
			u.Yellow("DNS:"), Clean(c.Server), Clean(c.Key.Name), left)
	}

	if s.Old > 0 && len(s.Agree) > 0 {
		fmt.Fprintf(out, "Resolvers may return the old answer for up to %s.\n",
			plan.FormatDuration(s.Old))
	}
}

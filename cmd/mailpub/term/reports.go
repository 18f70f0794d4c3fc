package term

import (
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/mailsvc/reports"
)

// mostBad is how many unreadable reports are named.
const mostBad = 5

// ShowReports prints who sent as the site's domains, and who reached it under TLS.
func ShowReports(u *UI, r *site.Reported, days int) error {
	w := u.Text()
	fmt.Fprintf(w, "%s, %s were read; these are of the last %s.\n",
		Count(r.DMARC, "DMARC report"), Count(r.TLS, "TLS report"), Count(days, "day"))

	if len(r.Senders) > 0 {
		fmt.Fprintln(w)
		table := NewTable(w)
		fmt.Fprintln(table, "SENDER\tWHO\tDOMAIN\tPASSED\tFAILED\tSIGNED BY\tREPORTED BY")

		for _, s := range r.Senders {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", s.Address, s.Kind,
				Clean(s.Domain), s.Passed, s.Failed, orDash(s.Signers), orDash(s.Reported))
		}

		if err := table.Flush(); err != nil {
			return err
		}
	}

	if len(r.Sessions) > 0 {
		fmt.Fprintln(w)
		table := NewTable(w)
		fmt.Fprintln(table, "TLS REPORTED BY\tDOMAIN\tSUCCEEDED\tFAILED\tWHY")

		for _, s := range r.Sessions {
			fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\n", Clean(s.Reporter), Clean(s.Domain),
				s.Succeeded, s.Failed, failures(s.Failures))
		}

		if err := table.Flush(); err != nil {
			return err
		}
	}

	if len(r.Bad) > 0 {
		fmt.Fprintf(w, "\n%s could not be read:\n", Count(len(r.Bad), "report"))
		for _, why := range r.Bad[:min(len(r.Bad), mostBad)] {
			fmt.Fprintf(w, "  %s\n", u.Wrap(Clean(why), 2))
		}
	}

	return nil
}

func orDash(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return Clean(strings.Join(list, ", "))
}

func failures(list []reports.Failure) string {
	var all []string
	for _, f := range list[:min(len(list), 3)] {
		all = append(all, fmt.Sprintf("%s at %s (%d)", f.Type, f.Host, f.Sessions))
	}
	return orDash(all)
}

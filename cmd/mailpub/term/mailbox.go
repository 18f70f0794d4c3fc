package term

import (
	"fmt"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
)

// ShowMailboxes prints which mailboxes elsewhere can be used.
func ShowMailboxes(u *UI, states []site.MailboxState) {
	if len(states) == 0 {
		fmt.Fprintln(u.Text(), "The config has no mailboxes (verify.mailboxes): mailpub mailbox add ADDRESS prints the lines to add.")
	}

	for _, s := range states {
		if s.Works {
			fmt.Fprintf(u.Text(), "%s  %s\n", u.Green("works"), Clean(s.Address))
			continue
		}
		fmt.Fprintf(u.Text(), "%s  %s\n       %s\n", u.Red("fails"), Clean(s.Address),
			u.Wrap(Clean(s.Why), 7))
	}
}

// ShowCode tells a person where to enter a code.
func ShowCode(u *UI, url, code string) {
	fmt.Fprintf(u.Err, "Open %s on any device and enter the code %s.\n", u.Bold(Clean(url)),
		u.Bold(Clean(code)))
}

package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

func reportsCommand(a *app) *cobra.Command {
	var days int
	cmd := &cobra.Command{
		Use:   "reports [PATH...]",
		Short: "Show who sends as your domains, from DMARC and TLS reports",
		Long: `Reads the reports that receivers send about your domains, and shows who sent in their
name: your own server, services that the SPF record lists, forwarders, and unknown
senders; how many messages passed DMARC and how many failed. Of TLS reports it shows who
could not deliver under TLS, and why.

PATH is a file or a directory with reports: messages, or the attached files (.xml, .json,
.gz, .zip). Without PATH it reads the mailbox of verify.reports. Nothing is sent or
changed; DNS is asked for the SPF records.

Exit code: 0; 1 when the reports could not be read.`,
		Example: `  mailpub reports
  mailpub reports --days 30 ~/Maildir/.DMARC
  mailpub reports --json google.com!example.org!1764201600!1764287999.zip`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if days < 1 || days > 3650 {
				return errors.New("--days: want 1 to 3650")
			}

			s, err := site.OpenFile(cmd.Context(), a.ui.ConfigFile, a.site())
			if err != nil {
				return err
			}

			found, err := s.Reports(cmd.Context(), paths, time.Duration(days)*24*time.Hour)
			if err != nil {
				return err
			}
			if a.ui.JSON {
				return a.ui.PrintJSON(found)
			}

			return term.ShowReports(a.ui, found, days)
		},
	}

	cmd.Flags().IntVar(&days, "days", 7, "read the reports of the last `N` days")
	return cmd
}

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/setup"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan/catalog"
)

func ignoreCommand(a *app) *cobra.Command {
	var add config.Ignore
	cmd := &cobra.Command{
		Use:   "ignore [CHECK [SUBJECT]]",
		Short: "Ignore a finding until a day, with the reason",
		Long: `Adds an entry to "ignore" in the config: the finding of a check, of one subject or of all, does
not count until the end of that day. It is not a failure and not drift, and causes no notices;
verify, the reports and the status page show it as ignored, with the reason. After that
day it counts again by itself. The rest of the file stays as it is.

Without a CHECK it lists what is ignored.

Exit code: 0, or 1 when the config was not changed.`,
		Example: `  mailpub ignore list.dnsbl 2.2.2.2 --until 2027-01-31 --why "removal was requested"
  mailpub ignore`,
		Args: cobra.MaximumNArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return catalog.IDs(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return term.ShowIgnored(a.ui, cfg.Ignore, time.Now())
			}

			add.Check = args[0]
			if len(args) == 2 {
				add.Subject = args[1]
			}

			if err := validIgnore(add); err != nil {
				return err
			}
			if err := setup.Ignore(cfg, add); err != nil {
				return err
			}

			fmt.Fprintf(a.ui.Text(), "Ignored until %s, in %s.\n", add.Until, cfg.File)
			return nil
		},
	}

	cmd.Flags().StringVar(&add.Until, "until", "", "the last `DATE`, like 2027-01-31")
	cmd.Flags().StringVar(&add.Why, "why", "", "the reason, as `TEXT`")
	return cmd
}

// validIgnore checks what the command line says.
func validIgnore(add config.Ignore) error {
	if err := knownCheck("CHECK", add.Check); err != nil {
		return err
	}
	if add.Why == "" {
		return errors.New("--why is missing: later readers of the config need the reason")
	}
	if _, err := time.Parse(time.DateOnly, add.Until); err != nil {
		return fmt.Errorf("--until is %q, want the last day, like 2027-01-31", add.Until)
	}
	if add.Ended(time.Now()) {
		return fmt.Errorf("--until is %s, which is over", add.Until)
	}

	return nil
}

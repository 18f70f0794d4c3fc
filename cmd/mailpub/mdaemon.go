package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/dialect"
	"github.com/mailpub/mailpub/cmd/mailpub/setup"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/mailsvc/mdaemon"
)

func mdaemonCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mdaemon",
		Short: "Show which channels and settings of MDaemon are known",
		Long: `Shows how mailpub can drive the MDaemon of the config: its version, access to its App
folder and XML API, the number of operations in the vendor's help files, and the learnt
settings. It writes nothing.

Exit code: 0, or 1 when the XML API does not answer or the folder cannot be read.`,
		Example: `  mailpub mdaemon
  mailpub mdaemon learn relaying`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := site.OpenFile(cmd.Context(), a.ui.ConfigFile, a.site())
			if err != nil {
				return err
			}

			status, ok := s.MDaemon(cmd.Context())
			if !ok {
				return errors.New("service.type is not mdaemon")
			}

			if a.ui.JSON {
				err = a.ui.PrintJSON(status)
			} else {
				term.ShowMDaemon(a.ui, status)
			}

			if err == nil && !status.Reached() {
				err = errReported
			}

			return err
		},
	}

	cmd.AddCommand(learnCommand(a))
	return cmd
}

func learnCommand(a *app) *cobra.Command {
	l := setup.Learning{UI: a.ui, Ask: a.learning}
	cmd := &cobra.Command{
		Use:   "learn SETTING",
		Short: "Learn where this MDaemon keeps a setting",
		Long: `The vendor does not document where MDaemon stores most of its settings. This command finds
out on a real installation: mailpub reads the .ini and .dat files of the App folder, asks
you to change exactly one box in the dialog, back and forth, and compares. It does not read
the list of accounts, and writes only the dialect file, which contains no secrets and works
for other installations of the same version.

With the file in service.settings.dialect mailpub plans and applies the setting like any
other: read back, verified over SMTP, and rolled back if it has no effect.

Settings:
` + settingsHelp(),
		Example: `  mailpub mdaemon learn relaying
  mailpub mdaemon learn hostname --app 'C:\MDaemon\App'`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: dialect.Names(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return l.Learn(cmd.Context(), args[0])
		},
	}

	f := cmd.Flags()
	f.StringVar(&l.App, "app", "", "App `FOLDER`; by default that of the config")
	f.StringVar(&l.File, "dialect", "", "`FILE` to keep it in; by default that of the config, or mdaemon-VERSION.yaml")
	f.StringVar(&l.Version, "version", "", "`VERSION` of MDaemon, if mailpub cannot detect it")

	return cmd
}

func settingsHelp() string {
	var b strings.Builder
	for _, s := range mdaemon.Settings() {
		fmt.Fprintf(&b, "  %-17s %s\n", s.Name, s.Box)
	}
	return strings.TrimRight(b.String(), "\n")
}

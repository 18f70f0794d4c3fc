package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/cmd/mailpub/page"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan/durable"
)

func reportCommand(a *app) *cobra.Command {
	var file string
	var svg bool
	var language string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write a status report as one file, for a ticket or a customer",
		Long: `Plans and verifies, and writes the results as one HTML file: a diagram of the mail path,
green or red at each hop, the findings and their remedies. The file is self-contained and
fits paper, phones, dark and light screens. If "mailpub watch" runs, the report includes
the last 30 days.

With --svg it writes only the diagram, with --json the document that a status page serves
at /api/report. It changes nothing.

Exit code: 0 when the report is written, whatever its result; else 1.`,
		Example: `  mailpub report -o office.html
  mailpub report --svg -o path.svg
  mailpub report --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" && !a.ui.JSON && a.ui.Terminal {
				return errors.New("a report is for a browser: name a file with -o, like -o report.html")
			}

			cfg, err := a.config()
			if err != nil {
				return err
			}

			if language != "" && !lang.Language(language).Known() {
				return fmt.Errorf("--lang is %q, want %s", language,
					strings.Join(lang.Names(), " or "))
			}

			site, err := fleet.Report(cmd.Context(), cfg, a.site())
			if err != nil {
				return err
			}

			site.Language = lang.Language(language).Or(site.Language)

			var b bytes.Buffer
			switch {
			case a.ui.JSON:
				var text []byte
				text, err = page.Status([]page.Site{site})
				b.Write(append(text, '\n'))
			case svg:
				err = page.WriteSVG(&b, site)
			default:
				err = page.Write(&b, site, time.Now(), version().Version)
			}

			if err != nil {
				return err
			}

			if file == "" {
				_, err = a.ui.Out.Write(b.Bytes())
				return err
			}

			if err := durable.ReplaceShared(file, b.Bytes(), 0o644); err != nil {
				return fmt.Errorf("report: %w", err)
			}

			fmt.Fprintln(a.ui.Err, term.Clean(site.Language.Text(site.Headline())))
			if site.Err != nil {
				fmt.Fprintln(a.ui.Err, "Not everything could be checked:",
					term.Clean(site.Err.Error()))
			}

			fmt.Fprintf(a.ui.Err, "Written to %s.\n", file)
			return nil
		},
	}

	cmd.Flags().StringVarP(&file, "output", "o", "",
		"write to `FILE`; default: standard output")

	cmd.Flags().StringVar(&language, "lang", "",
		"`LANGUAGE` of the report: en or it; default: that of the config, else the system's")

	cmd.Flags().BoolVar(&svg, "svg", false, "write the picture alone, as SVG")
	return cmd
}

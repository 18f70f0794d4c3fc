package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/export"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// verifyFlags is what the command line says of verify.
type verifyFlags struct {
	only           []string
	explain, junit string
	format         formatFlag
}

func verifyCommand(a *app) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify that mail arrives",
		Long: `Runs the checks, each independently of how the setting was applied: DNS at the
authoritative servers and the resolvers, the mail service over SMTP, the router by its
list of forwards, and all of it from outside if the config names a probe. Mailboxes at
other providers (verify.mailboxes) show whether mail from there arrives, and how mail to
there is received; verify sends at most verify.messages_per_day messages and deletes them
afterwards. Results that cannot be known from here are "skip", with the reason.

If several checks fail for one reason, the cause is printed first, with its consequences
below. --explain ID describes a check and its remedy.

If the service is the bundled receiver and is not running, verify runs it during the
checks.

Exit code: 0 when no check fails, 2 when one does, 1 when they could not run.`,
		Example: `  mailpub verify
  mailpub verify --only dns,router
  mailpub verify --only mx.target,router.forward
  mailpub verify --explain host.ptr
  mailpub verify --junit report.xml
  mailpub verify --json
  mailpub verify --format sarif >mailpub.sarif`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.explain != "" {
				if err := knownCheck("--explain", f.explain); err != nil {
					return err
				}
				check, _ := catalog.Lookup(f.explain)
				return term.ShowCheckHelp(a.ui, check)
			}

			return verify(cmd.Context(), a, f)
		},
	}

	fl := cmd.Flags()
	fl.StringSliceVar(&f.only, "only", nil, "run only the checks of these areas (dns, router, mail), groups (outbound, spf, ...) or `IDS`")
	fl.StringVar(&f.explain, "explain", "", "describe the check `ID` and its remedy; run no check")
	f.format.add(cmd)
	fl.StringVar(&f.junit, "junit", "", "write the outcome to `FILE` too, as JUnit XML")

	for name, words := range map[string][]string{"only": append(selectable(),
		catalog.IDs()...), "explain": catalog.IDs()} {
		if err := cmd.RegisterFlagCompletionFunc(name,
			cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // the flags are defined above
		}
	}

	return cmd
}

// verify runs the checks, prints what they found, and fails where one failed.
func verify(ctx context.Context, a *app, f verifyFlags) error {
	for _, word := range f.only {
		if err := knownCheck("--only", word, selectable()...); err != nil {
			return err
		}
	}

	if err := f.format.use(a); err != nil {
		return err
	}

	s, err := site.OpenFile(ctx, a.ui.ConfigFile, a.site())
	if err != nil {
		return cmp.Or(f.format.failed(a, "verify", err), err)
	}

	report := s.Verify(ctx, catalog.Expand(f.only))
	if err := ctx.Err(); err != nil {
		return err
	}

	result := export.Result{
		Site:   report.Site,
		File:   a.ui.ConfigFile,
		Report: &report,
		Line:   s.Config().LineOf,
	}

	switch {
	case a.ui.JSON:
		err = a.ui.PrintJSON(report)
	case f.format.exports():
		err = f.format.write(a, "verify", result)
	default:
		term.ShowChecks(a.ui, report)
	}

	if err == nil && f.junit != "" {
		err = export.WriteFile(f.junit, export.JUnit, export.Document{
			Command: "verify",
			Version: version().Version,
			Results: []export.Result{result},
		})
	}

	if err == nil && plan.Count(report.Checks).Fail > 0 {
		err = errDifference
	}

	return err
}

// selectable are the words besides ids that --only takes.
func selectable() []string { return append(catalog.Areas(), catalog.Groups()...) }

// knownCheck returns an error unless word is the id of a check or one of the further words that
// a flag takes.
func knownCheck(flag, word string, more ...string) error {
	known := append(more, catalog.IDs()...)
	if slices.Contains(known, word) {
		return nil
	}

	want := "the id of a check"
	if len(more) > 0 {
		want = "some of " + strings.Join(catalog.Areas(), ",") + ", groups or ids of checks"
	}

	if near := plan.Nearest(word, known); near != "" {
		want += "; did you mean " + near + "?"
	} else {
		want += "; mailpub verify --json lists those of this site, docs/checks.md all"
	}

	return fmt.Errorf("%s is %q, want %s", flag, word, want)
}

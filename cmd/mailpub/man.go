//go:build man

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
)

// packagerCommands are for those who make packages, so that no list shows them. They are in a program that
// was built with "-tags man" alone: what makes manual pages is large.
func packagerCommands(*app) []*cobra.Command {
	return []*cobra.Command{{
		Use:    "man DIR",
		Short:  "Write the manual pages into a directory",
		Hidden: true,
		Long: `Writes a manual page for each command (section 1) and for the config file (section 5).
Their date is that of the variable SOURCE_DATE_EPOCH, in seconds, so that builds are
reproducible; without the variable they have no date.`,
		Example: "  mailpub man /usr/local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			header := &doc.GenManHeader{Section: "1", Source: "mailpub", Manual: "mailpub"}
			date := time.Unix(0, 0).UTC()
			if text := os.Getenv("SOURCE_DATE_EPOCH"); text != "" {
				seconds, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					return fmt.Errorf("SOURCE_DATE_EPOCH is %q, want seconds since 1970", text)
				}
				date = time.Unix(seconds, 0).UTC()
			}

			header.Date = &date
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}

			root := cmd.Root()
			root.DisableAutoGenTag = true
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return err
			}

			return os.WriteFile(filepath.Join(args[0], "mailpub.yaml.5"),
				[]byte(configPage(date)), 0o644)
		},
	}}
}

// configPage is the help page of the config as a manual page, in its own lines.
func configPage(date time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH \"MAILPUB.YAML\" \"5\" \"%s\" \"mailpub\" \"mailpub\"\n.SH NAME\nmailpub.yaml \\- the config file of mailpub, field by field\n.SH DESCRIPTION\n.nf\n",
		date.Format("Jan 2006"))

	for line := range strings.Lines(strings.ReplaceAll(config.Help(), `\`, `\e`)) {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			b.WriteString(`\&`)
		}
		b.WriteString(strings.ReplaceAll(line, "-", `\-`))
	}

	b.WriteString("\n.fi\n.SH SEE ALSO\nmailpub(1)\n")
	return b.String()
}

package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/schema"
)

func schemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema [config|" + strings.Join(schema.Documents(), "|") + "]",
		Short: "Print the JSON Schema of the config or of a document",
		Long: `Prints the JSON Schema of the config file. Editors with YAML support use it to complete
fields and to mark errors, if the file begins with

  # yaml-language-server: $schema=mailpub.schema.json

Some rules are beyond a schema: "mailpub validate" checks them all.

With a name it prints the schema of a document that mailpub prints or sends: plan (also
apply and destroy), report (verify and drift), notice (of watch), status (of the status
page), error. Programs that read them find every field there; fields may be added.`,
		Example: `  mailpub schema >mailpub.schema.json
  mailpub schema plan`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: append([]string{"config"}, schema.Documents()...),
		RunE: func(_ *cobra.Command, args []string) error {
			text := []byte(schema.Config)
			if len(args) == 1 && args[0] != "config" {
				var err error
				if text, err = schema.Document(args[0]); err != nil {
					return err
				}
			}

			_, err := a.ui.Out.Write(text)
			return err
		},
	}
}

package main

import (
	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/schema"
)

func schemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the config, for editors",
		Long: `Prints the JSON Schema of the config file. Editors with YAML support use it to complete
fields and to mark errors, if the file begins with

  # yaml-language-server: $schema=mailpub.schema.json

Some rules are beyond a schema: "mailpub validate" checks them all.`,
		Example: "  mailpub schema >mailpub.schema.json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			text, err := configSchema()
			if err == nil {
				_, err = a.ui.Out.Write(text)
			}
			return err
		},
	}
}

// configSchema is the schema, with what the help page says of each field.
func configSchema() ([]byte, error) {
	about := map[string]string{}
	for _, k := range config.Keys() {
		about[k.Path] = k.Text
	}
	return schema.Generate(func(path string) string { return about[path] })
}

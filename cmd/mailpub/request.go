package main

import (
	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/cmd/mailpub/request"
)

func requestCommand(a *app) *cobra.Command {
	var o request.Options
	cmd := &cobra.Command{
		Use:   "request [ptr | zone NAME | policy DOMAIN]",
		Short: "Write requests to providers, as letters or zone files",
		Long: `Prints the steps that mailpub cannot do itself, as requests to hand on:

  request             pending manual steps, and who must do them
  request ptr         a letter to the connectivity provider: the PTR of the public
                      address
  request zone NAME   the missing records of a zone, for its operator: a letter, a table
                      or lines of a zone file
  request policy DOMAIN
                      the MTA-STS policy, as a web server must serve it

"mailpub plan" and "mailpub verify" see over DNS whether the steps are done.`,
		Example: `  mailpub request ptr --lang it
  mailpub request zone nomeazienda.it --form zone
  mailpub request policy nomeazienda.it >mta-sts.txt`,
		Args: cobra.MaximumNArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return completeRequest(args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Site = a.site()
			return request.Write(cmd.Context(), a.ui, o, args)
		},
	}

	cmd.Flags().StringVar(&o.Lang, "lang", "",
		"`LANGUAGE` of the request: en or it; default: that of the config, else the system's")

	cmd.Flags().StringVar(&o.Form, "form", "letter",
		"`FORM` of a zone's records: letter, table or zone")

	cmd.Flags().BoolVar(&o.All, "all", false, "include existing records")
	for name, words := range map[string][]string{"lang": lang.Names(),
		"form": request.Forms()} {
		if err := cmd.RegisterFlagCompletionFunc(name,
			cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // the flags are defined above
		}
	}

	return cmd
}

func completeRequest(args []string) []cobra.Completion {
	if len(args) == 0 {
		return []cobra.Completion{
			cobra.CompletionWithDesc("ptr", "a letter to the connectivity provider"),
			cobra.CompletionWithDesc("zone", "the records of a zone"),
			cobra.CompletionWithDesc("policy", "the MTA-STS policy of a domain"),
		}
	}

	return nil
}

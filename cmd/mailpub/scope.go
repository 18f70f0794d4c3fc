package main

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
)

// scopeFlags narrow a command down to parts of the site.
type scopeFlags struct {
	only, exclude, public []string
}

func (f *scopeFlags) add(a *app, cmd *cobra.Command) {
	const parts = "dns, router, service, zone:NAME, or a name as plan shows it"
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "only these `PARTS`: "+parts)
	cmd.Flags().StringSliceVar(&f.exclude, "exclude", nil, "everything except these `PARTS`")
	cmd.Flags().StringSliceVar(&f.public, "public", nil,
		"use `ADDRESS` as the public address if the config says auto, without detection")

	words := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		cfg, err := config.Load(a.ui.ConfigFile)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return site.ScopeWords(cfg), cobra.ShellCompDirectiveNoFileComp
	}

	for _, name := range []string{"only", "exclude"} {
		_ = cmd.RegisterFlagCompletionFunc(name, words) // it fails on a flag that is not there
	}
}

// set puts what the flags say into the options of a site.
func (f *scopeFlags) set(o *site.Options) error {
	o.Scope = site.Scope{Only: f.only, Exclude: f.exclude}
	for _, text := range f.public {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("--public: %q is not an address", text)
		}
		o.Public = append(o.Public, addr)
	}

	return nil
}

func (f *scopeFlags) narrows() bool { return len(f.only)+len(f.exclude) > 0 }

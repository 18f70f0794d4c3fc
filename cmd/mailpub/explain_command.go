package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/lazy"
)

func explainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [KEY | CHECK]",
		Short: "Explain a field of the config or a check",
		Long: `Describes a field of the config and its values, by its name as in error messages
(router.lease, domains[0].name) or by its last part; or describes a check: its subject,
its importance and the remedy. Without a name it lists all fields and checks.`,
		Example:           "  mailpub explain router.lease\n  mailpub explain domains[0].mta_sts\n  mailpub explain host.ptr",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeExplain,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return term.ShowExplained(a.ui, config.Keys())
			}
			if check, ok := catalog.Lookup(args[0]); ok {
				return term.ShowCheckHelp(a.ui, check)
			}
			return explainField(a.ui, args[0])
		},
	}
}

func completeExplain(*cobra.Command, []string, string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, k := range config.Keys() {
		words = append(words, cobra.CompletionWithDesc(k.Path, k.Text))
	}
	return append(words, catalog.IDs()...), cobra.ShellCompDirectiveNoFileComp
}

// index is what stands behind a list's name in errors: "domains[0]".
var index = lazy.Regexp(`\[[0-9]*\]`)

// explainField prints what there is to say about a field: word is its path, or the end of one.
func explainField(u *term.UI, word string) error {
	word = index().ReplaceAllString(strings.ToLower(word), "")
	keys := config.Keys()
	var named []config.Key
	var known []string

	for _, k := range keys {
		known = append(known, k.Path)
		if k.Path == word {
			return term.ShowField(u, k, keys)
		}
		if strings.HasSuffix(k.Path, "."+word) {
			named = append(named, k)
		}
	}

	switch len(named) {
	case 1:
		return term.ShowField(u, named[0], keys)
	case 0:
		return fmt.Errorf("no field of the config and no check is called %q%s", word,
			didYouMean(word, append(known, catalog.IDs()...)))
	}

	var paths []string
	for _, k := range named {
		paths = append(paths, k.Path)
	}

	return fmt.Errorf("several fields are called %q: %s", word, strings.Join(paths, ", "))
}

// documentedField is the first field among mistakes that there is something to say about, without its
// indices; "" for none.
func documentedField(problems config.Errors) string {
	keys := config.Keys()
	for _, p := range problems {
		path := index().ReplaceAllString(p.Field, "")
		if slices.ContainsFunc(keys, func(k config.Key) bool {
			return k.Path == path && k.Text != ""
		}) {
			return path
		}
	}

	return ""
}

// didYouMean names the known word that is nearest to one; where none is, how to see them all. Of a
// path the last part is compared too.
func didYouMean(word string, known []string) string {
	best := plan.Nearest(word, known)
	for _, k := range known {
		if best == "" && plan.Nearest(word, []string{k[strings.LastIndex(k, ".")+1:]}) != "" {
			best = k
		}
	}

	if best == "" {
		return "; mailpub explain lists them all"
	}

	return fmt.Sprintf("; did you mean %q?", best)
}

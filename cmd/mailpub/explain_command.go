package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/explain"
	"github.com/mailpub/mailpub/plan"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [KEY | CHECK]",
		Short: "say what a field of the config or a check is",
		Long: `Says what a field of the config is for and what it takes, by its name as errors write it
(router.lease, domains[0].name) or its last part alone; or what a check looks at, why that
matters and how to mend it. Without a name it lists both.`,
		Example:           "  mailpub explain router.lease\n  mailpub explain domains[0].mta_sts\n  mailpub explain host.ptr",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeExplain,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listExplained()
			}
			if explain.Area(args[0]) != "" {
				return a.explain(args[0])
			}
			return a.explainKey(args[0])
		},
	}
}

func completeExplain(*cobra.Command, []string, string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, k := range explain.Keys(configHelp) {
		words = append(words, cobra.CompletionWithDesc(k.Path, k.Text))
	}
	return append(words, explain.IDs()...), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) listExplained() error {
	keys := explain.Keys(configHelp)
	if a.json {
		return printJSON(a.out, struct {
			Keys   []explain.Key   `json:"keys"`
			Checks []explain.Entry `json:"checks"`
		}{keys, explain.All()})
	}
	fmt.Fprintf(a.out, "%s (mailpub help config shows them in a file)\n", a.look.bold("fields of the config"))
	section := func(path string) string { first, _, _ := strings.Cut(path, "."); return first }
	for i := 0; i < len(keys); {
		first, names := section(keys[i].Path), []string{}
		for ; i < len(keys) && section(keys[i].Path) == first; i++ {
			names = append(names, strings.TrimPrefix(keys[i].Path, first+"."))
		}
		fmt.Fprintf(a.out, "  %s  %s\n", pad(first, 8), a.look.wrap(strings.Join(names, " "), 12))
	}
	fmt.Fprintf(a.out, "\n%s\n", a.look.bold("checks"))
	for _, area := range explain.Areas() {
		var ids []string
		for _, e := range explain.All() {
			if e.Area == area {
				ids = append(ids, e.ID)
			}
		}
		fmt.Fprintf(a.out, "  %s  %s\n", pad(area, 8), a.look.wrap(strings.Join(ids, " "), 12))
	}
	_, err := fmt.Fprintln(a.out, "\nmailpub explain NAME says what one of them is.")
	return err
}

// index is what stands behind a list's name in errors: "domains[0]".
var index = regexp.MustCompile(`\[[0-9]*\]`)

// explainKey prints what there is to say about a field: word is its path, or the end of one.
func (a *app) explainKey(word string) error {
	word = index.ReplaceAllString(strings.ToLower(word), "")
	keys := explain.Keys(configHelp)
	var named []explain.Key
	var known []string
	for _, k := range keys {
		known = append(known, k.Path)
		if k.Path == word {
			return a.showKey(k, keys)
		}
		if strings.HasSuffix(k.Path, "."+word) {
			named = append(named, k)
		}
	}
	switch len(named) {
	case 1:
		return a.showKey(named[0], keys)
	case 0:
		return fmt.Errorf("no field of the config and no check is called %q%s", word, didYouMean(word, append(known, explain.IDs()...)))
	}
	var paths []string
	for _, k := range named {
		paths = append(paths, k.Path)
	}
	return fmt.Errorf("several fields are called %q: %s", word, strings.Join(paths, ", "))
}

// explicable is the first field among mistakes that there is something to say about, without its
// indices; "" for none.
func explicable(problems config.Errors) string {
	keys := explain.Keys(configHelp)
	for _, p := range problems {
		path := index.ReplaceAllString(p.Field, "")
		if slices.ContainsFunc(keys, func(k explain.Key) bool { return k.Path == path && k.Text != "" }) {
			return path
		}
	}
	return ""
}

// wrongFlag is the error of a flag that a command does not take, with the one that was probably
// meant.
func wrongFlag(cmd *cobra.Command, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if best := plan.Nearest(name, known); best != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, best)
	}
	for _, k := range known { // a beginning
		if len(name) > 2 && strings.HasPrefix(k, name) {
			return fmt.Errorf("%w; did you mean --%s?", err, k)
		}
	}
	return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
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

func (a *app) showKey(k explain.Key, keys []explain.Key) error {
	words := config.Words(k.Path)
	if a.json {
		return printJSON(a.out, struct {
			explain.Key
			Kind  string   `json:"kind"`
			Words []string `json:"words,omitempty"`
		}{k, config.FieldKind(k.Path), words})
	}
	fmt.Fprintf(a.out, "%s  %s\n", a.look.bold(k.Path), a.look.dim(config.FieldKind(k.Path)))
	line := func(title, text string) {
		if text != "" {
			fmt.Fprintf(a.out, "  %s %s\n", a.look.dim(pad(title, 8)), a.look.wrap(text, 11))
		}
	}
	line("is", k.Text)
	line("one of", strings.Join(words, ", "))
	line("like", k.Example)
	dot := strings.LastIndex(k.Path, ".")
	if within := k.Path[:max(dot, 0)]; slices.Contains(config.Required(within), k.Path[dot+1:]) {
		line("must", "be there")
	}
	var below []string
	for _, other := range keys {
		if rest, ok := strings.CutPrefix(other.Path, k.Path+"."); ok && !strings.Contains(rest, ".") {
			below = append(below, rest)
		}
	}
	line("has", strings.Join(below, ", "))
	return nil
}

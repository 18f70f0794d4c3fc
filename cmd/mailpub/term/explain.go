package term

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan/catalog"
)

// ShowCheckHelp prints what a check looks at, why, and how to mend it.
func ShowCheckHelp(u *UI, e catalog.Entry) error {
	if u.JSON {
		return u.PrintJSON(e)
	}

	fmt.Fprintf(u.Out, "%s  %s\n", u.Bold(e.ID), u.Dim("area "+e.Area))
	for _, part := range []struct{ title, text string }{{"checks", e.Looks}, {"why", e.Why},
		{"remedy", e.Mend}} {
		fmt.Fprintf(u.Out, "  %s %s\n", u.Dim(Pad(part.title, 8)), u.Wrap(part.text, 11))
	}

	return nil
}

// ShowExplained lists the fields of the config and the checks.
func ShowExplained(u *UI, keys []config.Key) error {
	if u.JSON {
		return u.PrintJSON(struct {
			Keys   []config.Key    `json:"keys"`
			Checks []catalog.Entry `json:"checks"`
		}{keys, catalog.All()})
	}

	fmt.Fprintf(u.Out, "%s (mailpub help config shows them in a file)\n",
		u.Bold("fields of the config"))

	section := func(path string) string {
		first, _, _ := strings.Cut(path, ".")
		return first
	}

	for i := 0; i < len(keys); {
		first := section(keys[i].Path)
		names := []string{}
		for ; i < len(keys) && section(keys[i].Path) == first; i++ {
			names = append(names, strings.TrimPrefix(keys[i].Path, first+"."))
		}
		fmt.Fprintf(u.Out, "  %s  %s\n", Pad(first, 8), u.Wrap(strings.Join(names, " "), 12))
	}

	fmt.Fprintf(u.Out, "\n%s\n", u.Bold("checks"))
	for _, area := range catalog.Areas() {
		var ids []string
		for _, e := range catalog.All() {
			if e.Area == area {
				ids = append(ids, e.ID)
			}
		}
		fmt.Fprintf(u.Out, "  %s  %s\n", Pad(area, 8), u.Wrap(strings.Join(ids, " "), 12))
	}

	_, err := fmt.Fprintln(u.Out, "\nDescribe one of them: mailpub explain NAME")
	return err
}

// ShowField prints what there is to say about a field of the config, one of keys.
func ShowField(u *UI, k config.Key, keys []config.Key) error {
	words := config.Words(k.Path)
	if u.JSON {
		return u.PrintJSON(struct {
			config.Key
			Kind  string   `json:"kind"`
			Words []string `json:"words,omitempty"`
		}{k, config.FieldKind(k.Path), words})
	}

	fmt.Fprintf(u.Out, "%s  %s\n", u.Bold(k.Path), u.Dim(config.FieldKind(k.Path)))
	line := func(title, text string) {
		if text != "" {
			fmt.Fprintf(u.Out, "  %s %s\n", u.Dim(Pad(title, 8)), u.Wrap(text, 11))
		}
	}

	line("is", k.Text)
	line("one of", strings.Join(words, ", "))
	line("like", k.Example)
	dot := strings.LastIndex(k.Path, ".")

	if within := k.Path[:max(dot, 0)]; slices.Contains(config.Required(within),
		k.Path[dot+1:]) {
		line("must", "be there")
	}

	var below []string
	for _, other := range keys {
		if rest, ok := strings.CutPrefix(other.Path, k.Path+"."); ok &&
			!strings.Contains(rest, ".") {
			below = append(below, rest)
		}
	}

	line("has", strings.Join(below, ", "))
	return nil
}

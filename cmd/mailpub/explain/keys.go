// Package explain holds what there is to say about each field of the config, for people.
package explain

import (
	"regexp"
	"slices"
	"strings"
)

// Key is a field of the config, as the help page of the config has it.
type Key struct {
	Path    string `json:"key"`     // "router.lease"; lists have no indices
	Example string `json:"example"` // a value; "" for a section
	Text    string `json:"text"`    // what is said beside it; "" for some
}

// field is a line of the page that shows a field: "  lease: 168h      to ask for".
var field = regexp.MustCompile(`^( *)(- )?(?:# )?([a-z0-9_]+):(?: +(.*))?$`)

// column is where the text beside the fields begins, at least.
const column = 30

// Keys reads the help page of the config, which shows each field once, as a file has it, with
// text beside it that may go on below.
func Keys(page string) (keys []Key) {
	type level struct {
		indent int
		path   string
	}
	var open []level
	var shown []Key // in the order of the page; lines of lists have the path of their list
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		text := strings.TrimLeft(line, " ")
		indent := len(line) - len(text)
		m := field.FindStringSubmatch(line)
		switch {
		case text == "":
		case indent >= column && len(shown) > 0:
			last := &shown[len(shown)-1]
			last.Text = strings.TrimSpace(last.Text + " " + text)
		case m != nil:
			indent = len(m[1]) + len(m[2])
			for len(open) > 0 && open[len(open)-1].indent >= indent {
				open = open[:len(open)-1]
			}
			k := Key{Path: m[3]}
			if len(open) > 0 {
				k.Path = open[len(open)-1].path + "." + m[3]
			}
			k.Example, k.Text = beside(line, m[4])
			open = append(open, level{indent, k.Path})
			shown = append(shown, k)
		case strings.HasPrefix(text, "- {") && len(open) > 0:
			example, said := beside(line, text)
			shown = append(shown, Key{open[len(open)-1].path, example, said})
		}
	}
	for _, k := range shown {
		keys = inline(add(keys, k), k)
	}
	return keys
}

func add(keys []Key, k Key) []Key {
	if slices.ContainsFunc(keys, func(have Key) bool { return have.Path == k.Path }) {
		return keys
	}
	return append(keys, k)
}

// pair is a field between braces.
var pair = regexp.MustCompile(`([a-z0-9_]+): *("[^"]*"|\[[^\]]*\]|[^,{}\[\]]+)`)

// inline adds the fields that an example has between braces. What is said of the whole is said of
// each.
func inline(keys []Key, k Key) []Key {
	if !strings.Contains(k.Example, "{") {
		return keys
	}
	for _, m := range pair.FindAllStringSubmatch(k.Example, -1) {
		keys = add(keys, Key{k.Path + "." + m[1], m[2], k.Text})
	}
	return keys
}

// beside splits what stands behind a field into its value and the text: the text begins after two
// spaces, or right away where it stands in the column of texts.
func beside(line, rest string) (example, text string) {
	if at := len(line) - len(rest); at >= column {
		return "", rest
	}
	example, text, found := strings.Cut(rest, "  ")
	if !found {
		return strings.TrimSpace(rest), ""
	}
	return strings.TrimSpace(example), strings.TrimSpace(text)
}

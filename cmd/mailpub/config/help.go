package config

import (
	"strings"
)

// Key is what there is to say of a field, once for each.
type Key struct {
	Path    string `json:"key"`     // "router.lease"; lists have no indices
	Example string `json:"example"` // a value; "" for a section
	Text    string `json:"text"`    // what is said beside it; "" for some
}

// Keys returns each field once, in the order of the help page.
func Keys() (keys []Key) {
	known := map[string]bool{}
	for _, f := range Fields() {
		if known[f.Path] || f.More {
			continue
		}
		known[f.Path] = true
		keys = append(keys, Key{f.Path, f.Example,
			strings.TrimSpace(strings.ReplaceAll(f.Text, "\n", " "))})
	}

	return keys
}

// Columns in which texts begin on the help page: beside short examples, and beside long ones.
const (
	textColumn = 38
	longColumn = 60
)

const helpIntro = `One file describes a site, in YAML, TOML or JSON, by its ending. It is ./mailpub.yaml
unless -c names another. Paths in it are relative to it. Unknown fields are errors.
`

// Help returns the help page of the config: a file with every field, and what each is for.
func Help() string {
	fields := Fields()
	lists := map[string]bool{} // sections that are lists
	for _, f := range fields {
		if section, _ := splitPath(f.Path); f.Item && !f.More {
			lists[section] = true
		}
	}

	var b strings.Builder
	b.WriteString(helpIntro + "\n")
	for i, f := range fields {
		if f.Inline {
			continue
		}

		topLevel := !strings.Contains(f.Path, ".")
		if i > 0 && topLevel && (f.Example == "" || strings.Contains(fields[i-1].Path, ".")) {
			b.WriteByte('\n')
		}

		f.write(&b, lists)
	}

	return strings.TrimSuffix(b.String(), "\n")
}

// write writes a field as the help page shows it.
func (f Field) write(b *strings.Builder, lists map[string]bool) {
	section, name := splitPath(f.Path)
	indent := 2 * strings.Count(f.Path, ".")
	for above := section; above != ""; above, _ = splitPath(above) {
		if lists[above] {
			indent += 2
		}
	}

	line := name + ":"
	switch {
	case f.More:
		indent += 2
		line = f.Example
	case f.Item:
		indent -= 2
		line = "- " + line
	case f.Off:
		line = "# " + line
	}

	if f.Example != "" && !f.More {
		line += " " + f.Example
	}

	line = strings.Repeat(" ", indent) + line

	if f.Text != "" {
		column := textColumn
		if len(line)+2 > textColumn {
			column = longColumn
		}

		if !strings.HasPrefix(f.Text, "\n") {
			line += strings.Repeat(" ", column-len(line))
		}

		line += strings.ReplaceAll(f.Text, "\n", "\n"+strings.Repeat(" ", textColumn))
	}

	b.WriteString(line + "\n")
	if f.Note != "" {
		b.WriteString("\n  " + strings.ReplaceAll(f.Note, "\n", "\n  ") + "\n")
	}
}

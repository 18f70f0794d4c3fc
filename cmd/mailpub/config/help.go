package config

import (
	"slices"
	"strings"
	"sync"
)

// Field is a field of the config: what it is called, takes and is for. Help, explain, completion, the
// JSON Schema, the manual page and docs/reference/config.md are made of these.
type Field struct {
	Path     string   // "router.lease"; lists have no indices
	Example  string   // a value, as a file has it; "" for a section
	Text     string   // what it is for; a line end in it is one on the help page
	Words    []string // the values that it can have, where these are few
	Required bool     // its section must have it

	// How the help page shows it.
	Item   bool   // at the beginning of an element of a list
	Inline bool   // in the braces of its section's example, with the section's text
	Off    bool   // as a comment: it goes with other fields than those around it
	More   bool   // an element of a list in one line; the fields in it follow as Inline
	Note   string // a paragraph below it
}

// Fields returns every field, in the order of the help page. Settings of providers and of mail
// servers are among them as examples.
func Fields() []Field {
	return slices.Concat(siteFields(), serverFields(), domainFields(), zoneFields(), routerFields(),
		serviceFields(), verifyFields(), watchFields())
}

// words and required are what Fields say, made once: they do not change.
var (
	words = sync.OnceValue(func() map[string][]string {
		all := map[string][]string{}
		for _, f := range Fields() {
			if f.Words != nil {
				all[f.Path] = f.Words
			}
		}
		return all
	})
	required = sync.OnceValue(func() map[string][]string {
		all := map[string][]string{}
		for _, f := range Fields() {
			if section, name := splitPath(f.Path); f.Required {
				all[section] = append(all[section], name)
			}
		}
		return all
	})
)

// Words returns the values that a field can have, by its path without indices; nil where it is not
// one of a few words.
func Words(path string) []string { return slices.Clone(words()[path]) }

// Required returns the fields that a section must have, by its path without indices: "" is the
// whole file.
func Required(section string) []string { return slices.Clone(required()[section]) }

// splitPath cuts the name of a field from the path of its section, "" for a field of the whole file.
func splitPath(path string) (section, name string) {
	if dot := strings.LastIndex(path, "."); dot >= 0 {
		return path[:dot], path[dot+1:]
	}
	return "", path
}

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
		keys = append(keys, Key{f.Path, f.Example, strings.TrimSpace(strings.ReplaceAll(f.Text, "\n", " "))})
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

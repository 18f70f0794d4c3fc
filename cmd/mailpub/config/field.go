package config

import (
	"strings"
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

// splitPath cuts the name of a field from the path of its section, "" for a field of the whole file.
func splitPath(path string) (section, name string) {
	if dot := strings.LastIndex(path, "."); dot >= 0 {
		return path[:dot], path[dot+1:]
	}
	return "", path
}

package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// WithIgnore returns the text of the config's file with an entry of ignore added, or replaced where the file has
// one of the same check and subject. All else stays as it is, comments too. The error holds the lines to add by hand
// where the form of the file is not one that can be edited.
func (c *Config) WithIgnore(data []byte, add Ignore) ([]byte, error) {
	if file, _ := c.at("ignore"); file != c.File && c.has("ignore") {
		return nil, byHand(add, "the list stands in "+file)
	}

	lineEnd := "\n"
	if bytes.Contains(data, []byte("\r\n")) {
		lineEnd = "\r\n"
	}

	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(string(data), "\r\n", "\n"),
		"\n"), "\n")

	var err error
	switch strings.ToLower(filepath.Ext(c.File)) {
	case ".yaml", ".yml":
		lines, err = ignoreInYAML(lines, data, add)
	case ".toml":
		if c.has("ignore") && slices.ContainsFunc(c.Ignore, func(i Ignore) bool {
			return i.Check == add.Check && i.Subject == add.Subject
		}) {
			err = errors.New("it has an entry of this check and subject already")
		}

		lines = append(lines, "", "[[ignore]]", "check = "+quote(add.Check),
			"subject = "+quote(add.Subject), "until = "+quote(add.Until),
			"why = "+quote(add.Why))
	default:
		err = errors.New("JSON is not edited")
	}

	if err != nil {
		return nil, byHand(add, err.Error())
	}

	text := []byte(strings.Join(lines, lineEnd) + lineEnd)
	return text, c.checkEdited(text, add)
}

// checkEdited makes sure that a text is the config with the entry, and nothing else.
func (c *Config) checkEdited(text []byte, add Ignore) error {
	after, err := Parse(c.File, text)
	if err != nil {
		var mistakes Errors
		if errors.As(err, &mistakes) && slices.ContainsFunc(mistakes, func(p Problem) bool {
			return strings.HasPrefix(p.Field, "ignore")
		}) {
			return err
		}
		return byHand(add, "the edited file would be wrong: "+err.Error())
	}

	want := slices.DeleteFunc(slices.Clone(c.Ignore), func(i Ignore) bool {
		return i.Check == add.Check && i.Subject == add.Subject
	})

	if !slices.Equal(after.Ignore, append(want, add)) {
		return byHand(add, "its list of ignore has a form that cannot be edited")
	}

	return nil
}

func byHand(add Ignore, why string) error {
	return fmt.Errorf("the config is not changed, as %s; add this to ignore:\n%s", why,
		strings.Join(yamlIgnore(add, "  "), "\n"))
}

// yamlIgnore is an entry as lines of YAML.
func yamlIgnore(i Ignore, indent string) []string {
	lines := []string{indent + "- check: " + i.Check}
	if i.Subject != "" {
		lines = append(lines, indent+"  subject: "+quote(i.Subject))
	}
	return append(lines, indent+"  until: "+quote(i.Until), indent+"  why: "+quote(i.Why))
}

// quote writes a string as YAML, TOML and JSON read it alike.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}

	return b.String() + `"`
}

func ignoreInYAML(lines []string, data []byte, add Ignore) ([]string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text(data)), &doc); err != nil || len(doc.Content) == 0 {
		return nil, errors.New("it cannot be read as YAML")
	}

	list := child(doc.Content[0], "ignore")
	switch {
	case list == nil:
		return slices.Concat(lines, []string{"", "ignore:"}, yamlIgnore(add, "  ")), nil
	case list.Kind != yaml.SequenceNode || list.Style&yaml.FlowStyle != 0 ||
		len(list.Content) == 0:
		return nil, errors.New("its list of ignore is not written with a line for each entry")
	}

	indent := strings.Repeat(" ", list.Column-1)
	end := lastLine(list)
	lines = slices.Insert(lines, end, yamlIgnore(add, indent)...)

	for n := len(list.Content) - 1; n >= 0; n-- {
		entry := list.Content[n]
		if !sameEntry(entry, add) {
			continue
		}
		last := lastLine(entry)
		lines = slices.Delete(lines, entry.Line-1, last)
	}

	return lines, nil
}

func sameEntry(n *yaml.Node, i Ignore) bool {
	value := func(key string) string {
		if v := child(n, key); v != nil {
			return v.Value
		}
		return ""
	}
	return value("check") == i.Check && value("subject") == i.Subject
}

// child returns the value of a key of a mapping; nil where it has none.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if strings.EqualFold(n.Content[i].Value, key) {
			return n.Content[i+1]
		}
	}
	return nil
}

// lastLine is the last line that a node begins something on.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

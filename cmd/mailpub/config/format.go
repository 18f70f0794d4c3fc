package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Format returns the text of a config file in its usual form: an indentation of two spaces, line ends of Unix, no
// space at the end of a line, no more than one empty line in a row. Comments, order and quotes stay. The values are
// the same, else it is an error. A file that cannot be parsed is an Errors.
func Format(path string, data []byte) ([]byte, error) {
	before, err := readFile(path, data)
	if err != nil {
		return nil, err
	}

	lines := strings.Split(strings.ReplaceAll(text(data), "\r\n", "\n"), "\n")
	fixed := map[int]bool{} // lines that are within a value, from 0
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		var out bytes.Buffer
		if err := json.Indent(&out, []byte(strings.Join(lines, "\n")), "", "  "); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return append(bytes.TrimSpace(out.Bytes()), '\n'), nil
	case ".yaml", ".yml":
		if lines, fixed, err = reindent(lines); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	case ".toml":
		if bytes.Contains(data, []byte(`"""`)) || bytes.Contains(data, []byte(`'''`)) {
			return nil, fmt.Errorf("%s: text over several lines is not formatted", path)
		}
	}

	out := []byte(strings.Join(trimBlankLines(lines, fixed), "\n") + "\n")
	after, err := readFile(path, out)
	if err != nil || !reflect.DeepEqual(before.fields, after.fields) {
		return nil, fmt.Errorf("%s: its form is not one that can be changed without changing values", path)
	}

	return out, nil
}

// trimBlankLines takes spaces off the ends of lines, and empty lines that follow another one, but for lines that are
// within a value.
func trimBlankLines(lines []string, fixed map[int]bool) (out []string) {
	for i, line := range lines {
		if fixed[i] {
			out = append(out, line)
			continue
		}

		line = strings.TrimRight(line, " \t")
		if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}

		out = append(out, line)
	}

	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}

	return out
}

// reindent indents the lines of YAML by two spaces a level. Lines within a value move with its first line.
func reindent(lines []string) (out []string, fixed map[int]bool, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(strings.Join(lines, "\n")), &doc); err != nil {
		return nil, nil, err
	}

	fixed = map[int]bool{}
	starts := map[int]int{} // line, from 0, to its level
	if err := nestingLevels(&doc, 0, starts); err != nil {
		return nil, nil, err
	}

	var first []int
	for line := range starts {
		first = append(first, line)
	}

	slices.Sort(first)
	if len(first) == 0 {
		return lines, fixed, nil
	}

	out = slices.Clone(lines)
	shift := 0
	for i, line := range lines {
		bare := strings.TrimLeft(line, " ")
		level, begins := starts[i]
		switch {
		case begins:
			shift = 2*level - (len(line) - len(bare))
			if rest, element := strings.CutPrefix(bare, "- "); element {
				bare = "- " + strings.TrimLeft(rest, " ")
			}
			out[i] = strings.Repeat(" ", 2*level) + bare
		case strings.HasPrefix(bare, "#") && !insideText(&doc, i+1):
			next, found := slices.BinarySearch(first, i)
			if !found && next < len(first) {
				out[i] = strings.Repeat(" ", 2*starts[first[next]]) + bare
			}
		case bare != "":
			fixed[i] = true
			out[i] = strings.Repeat(" ", max(len(line)-len(bare)+shift, 0)) + bare
		default:
			fixed[i] = insideText(&doc, i+1)
		}
	}

	return out, fixed, nil
}

// nestingLevels notes how deep the lines are that a key or an element begins.
func nestingLevels(n *yaml.Node, level int, starts map[int]int) error {
	note := func(line int) {
		if _, before := starts[line-1]; !before {
			starts[line-1] = level
		}
	}

	switch {
	case n.Style&yaml.FlowStyle != 0:
	case n.Kind == yaml.DocumentNode:
		return nestingLevels(n.Content[0], level, starts)
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			note(n.Content[i].Line)
			if err := nestingLevels(n.Content[i+1], level+1, starts); err != nil {
				return err
			}
		}
	case n.Kind == yaml.SequenceNode:
		for _, e := range n.Content {
			if e.Kind == yaml.SequenceNode && e.Style&yaml.FlowStyle == 0 {
				return errors.New("a list within a list is not formatted")
			}
			note(e.Line)
			if err := nestingLevels(e, level+1, starts); err != nil {
				return err
			}
		}
	}

	return nil
}

// insideText reports whether a line, from 1, is within a text that goes over several lines.
func insideText(n *yaml.Node, line int) bool {
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return line > n.Line && line <= n.Line+strings.Count(n.Value, "\n")+1
	}
	return slices.ContainsFunc(n.Content, func(c *yaml.Node) bool {
		return insideText(c, line)
	})
}

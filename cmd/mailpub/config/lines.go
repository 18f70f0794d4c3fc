package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
	"go.yaml.in/yaml/v3"
)

// Lines maps the path of each field of a config file, like "domains[0].name", to the
// line it stands on, from 1. Paths are in lower case.
type Lines map[string]int

// At returns the line of a path, or of the nearest thing around it that is there.
func (l Lines) At(path string) int { return l[l.nearest(path)] }

// nearest returns a path, or that of the nearest thing around it that is there; "" for none.
func (l Lines) nearest(path string) string {
	for path != "" {
		if _, ok := l[path]; ok {
			return path
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return ""
}

// linesOf parses a config file for where its fields are, and returns what they hold as well
// where that is at hand. JSON is read as the YAML that it is.
func linesOf(format string, data []byte) (lines Lines, fields map[string]any, err error) {
	lines = Lines{}
	switch format {
	case "toml":
		return lines, nil, lines.toml(data)
	case "yaml", "json":
		var doc yaml.Node
		dec := yaml.NewDecoder(bytes.NewReader(data))
		if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
			return nil, nil, err
		}
		if len(doc.Content) == 0 {
			return nil, nil, fmt.Errorf("the file is empty")
		}

		var more yaml.Node // it would be passed over in silence
		if err := dec.Decode(&more); !errors.Is(err, io.EOF) && len(more.Content) > 0 {
			return nil, nil, fmt.Errorf("line %d: a second document begins, want one site a file",
				more.Line)
		}
		if doc.Content[0].Kind == yaml.SequenceNode {
			return nil, nil, fmt.Errorf("line %d: a list, want fields like \"site: NAME\"",
				doc.Content[0].Line)
		}
		if err := bounded(doc.Content[0], 0, new(int), map[*yaml.Node]bool{}); err != nil {
			return nil, nil, err
		}
		if err := lines.yaml("", doc.Content[0]); err != nil {
			return nil, nil, err
		}

		err := doc.Decode(&fields)
		return lines, fields, err
	}

	return nil, nil, fmt.Errorf("want a file name that ends in .yaml, .toml or .json")
}

const (
	maxDepth = 50      // of nesting
	maxNodes = 200_000 // with those that aliases repeat; a thousand zones have some 20,000
)

// bounded fails for a document that aliases make endless, or larger than any config is.
func bounded(n *yaml.Node, depth int, count *int, within map[*yaml.Node]bool) error {
	if *count++; *count > maxNodes {
		return fmt.Errorf("line %d: the file has more than %d values (each use of an alias counts)",
			n.Line, maxNodes)
	}
	if depth > maxDepth {
		return fmt.Errorf("line %d: more than %d levels of nesting", n.Line, maxDepth)
	}

	if n.Kind == yaml.AliasNode {
		if within[n.Alias] {
			return fmt.Errorf("line %d: alias %q refers to itself", n.Line, n.Value)
		}
		return bounded(n.Alias, depth+1, count, within)
	}

	within[n] = true
	defer delete(within, n)

	for _, c := range n.Content {
		if err := bounded(c, depth+1, count, within); err != nil {
			return err
		}
	}

	return nil
}

func (l Lines) yaml(path string, n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}

	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := join(path, n.Content[i].Value)
			if before, twice := l[key]; twice {
				return fmt.Errorf("line %d: %q is there already, on line %d",
					n.Content[i].Line, key, before)
			}

			l[key] = n.Content[i].Line
			if err := l.yaml(key, n.Content[i+1]); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for i, e := range n.Content {
			key := path + "[" + strconv.Itoa(i) + "]"
			l[key] = e.Line
			if err := l.yaml(key, e); err != nil {
				return err
			}
		}
	default:
		if path == "" {
			return fmt.Errorf("line %d: want fields like \"site: NAME\"", n.Line)
		}
	}

	return nil
}

func (l Lines) toml(data []byte) error {
	var p unstable.Parser
	p.Reset(data)
	table := ""
	arrays := map[string]int{}

	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table:
			table = l.tomlKey(&p, "", e, arrays)
		case unstable.ArrayTable:
			name := l.tomlKey(&p, "", e, arrays)
			table = fmt.Sprintf("%s[%d]", name, arrays[name])
			l[table] = l[name]
			arrays[name]++
		case unstable.KeyValue:
			l.tomlValue(&p, l.tomlKey(&p, table, e, arrays), e.Value(), arrays)
		}
	}

	return p.Error()
}

// tomlKey records the key of an expression and returns its path. Inside an array of
// tables it is the last element's.
func (l Lines) tomlKey(p *unstable.Parser, path string, e *unstable.Node, arrays map[string]int) string {
	for it := e.Key(); it.Next(); {
		key := it.Node()
		path = join(path, string(key.Data))
		if n := arrays[path]; n > 0 && !it.IsLast() {
			path = fmt.Sprintf("%s[%d]", path, n-1)
		}
		l[path] = p.Shape(key.Raw).Start.Line
	}

	return path
}

func (l Lines) tomlValue(p *unstable.Parser, path string, v *unstable.Node, arrays map[string]int) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			kv := it.Node()
			l.tomlValue(p, l.tomlKey(p, path, kv, arrays), kv.Value(), arrays)
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); i++ {
			key := fmt.Sprintf("%s[%d]", path, i)
			l[key] = l[path]
			l.tomlValue(p, key, it.Node(), arrays)
		}
	}
}

func join(path, key string) string {
	key = strings.ToLower(key)
	if path == "" {
		return key
	}
	return path + "." + key
}

package config

import (
	"fmt"
	"reflect"
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
		if err := yaml.Unmarshal(data, &doc); err != nil {
			return nil, nil, err
		}
		if len(doc.Content) == 0 {
			return nil, nil, fmt.Errorf("the file is empty")
		}
		if err := lines.yaml("", doc.Content[0]); err != nil {
			return nil, nil, err
		}
		err := doc.Decode(&fields)
		return lines, fields, err
	}
	return nil, nil, fmt.Errorf("want a file name that ends in .yaml, .toml or .json")
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
				return fmt.Errorf("line %d: %q is there already, on line %d", n.Content[i].Line, key, before)
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
	table, arrays := "", map[string]int{}
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

// typeAt returns the type that the config has at a path. ok is false when there is no
// such field; known then lists the fields that are there instead.
func typeAt(path string) (t reflect.Type, known []string, ok bool) {
	t = reflect.TypeFor[Config]()
	for _, step := range strings.Split(path, ".") {
		name, index, _ := strings.Cut(step, "[")
		switch t.Kind() {
		case reflect.Map:
			t = t.Elem()
			continue
		case reflect.Struct:
		default:
			return t, nil, true // a value where a section was expected: the decoder says so
		}
		found := false
		known = nil
		for i := range t.NumField() {
			f := t.Field(i)
			tag := f.Tag.Get("mapstructure")
			if tag == name {
				t, found = f.Type, true
				break
			}
			if tag != "" && tag != "-" {
				known = append(known, tag)
			}
		}
		if !found {
			return nil, known, false
		}
		for range strings.Count(index, "]") {
			if t.Kind() != reflect.Slice {
				return t, nil, true
			}
			t = t.Elem()
		}
	}
	return t, nil, true
}

// FieldKind says what a field takes, by its path without indices: "a number", "a list", "a section
// of fields"; "" where there is no such field.
func FieldKind(path string) string {
	t := reflect.TypeFor[Config]()
	for name := range strings.SplitSeq(path, ".") {
		for t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() == reflect.Map {
			return kindOf(t.Elem())
		}
		if t.Kind() != reflect.Struct {
			return ""
		}
		f, ok := t.FieldByNameFunc(func(field string) bool {
			f, _ := t.FieldByName(field)
			return f.Tag.Get("mapstructure") == name
		})
		if !ok {
			return ""
		}
		t = f.Type
	}
	return kindOf(t)
}

// Fields returns the path of every field that a config can have, without indices.
func Fields() []string { return fieldsOf(reflect.TypeFor[Config](), "") }

func fieldsOf(t reflect.Type, path string) (paths []string) {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("mapstructure")
		if tag == "" || tag == "-" {
			continue
		}
		below := join(path, tag)
		paths = append(append(paths, below), fieldsOf(t.Field(i).Type, below)...)
	}
	return paths
}

func kindAt(path string) string {
	t, _, _ := typeAt(path)
	return kindOf(t)
}

func unknownKeys(file string, lines Lines) (out Errors) {
	known := map[string]bool{} // paths without their indices
	for path, line := range lines {
		general := withoutIndices(path)
		if known[general] {
			continue
		}
		_, fields, ok := typeAt(path)
		if ok {
			known[general] = true
			continue
		}
		if _, _, parent := typeAt(path[:max(strings.LastIndex(path, "."), 0)]); !parent && strings.Contains(path, ".") {
			continue // the section around it is unknown already
		}
		key := path[strings.LastIndex(path, ".")+1:]
		if strings.Contains(key, "[") {
			continue
		}
		out = append(out, Problem{File: file, Line: line, Field: path,
			Text: "there is no such field; " + suggest(key, fields)})
	}
	return out
}

// withoutIndices returns "domains[].mx[].host" for "domains[2].mx[0].host".
func withoutIndices(path string) string {
	if !strings.Contains(path, "[") {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		b.WriteByte(path[i])
		if path[i] == '[' {
			i += max(strings.IndexByte(path[i:], ']')-1, 0)
		}
	}
	return b.String()
}

package config

import (
	"reflect"
	"strings"
	"time"
)

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
				t = f.Type
				found = true
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

func kindAt(path string) string {
	t, _, _ := typeAt(path)
	return kindOf(t)
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

// FieldPaths returns the path of every field that loading knows, without indices.
func FieldPaths() []string { return fieldsOf(reflect.TypeFor[Config](), "") }

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

		if _, _, parent := typeAt(path[:max(strings.LastIndex(path, "."), 0)]); !parent &&
			strings.Contains(path, ".") {
			continue // the section around it is unknown already
		}

		key := path[strings.LastIndex(path, ".")+1:]
		if strings.Contains(key, "[") {
			continue
		}

		out = append(out, Problem{
			File:  file,
			Line:  line,
			Field: path,
			Text:  "there is no such field; " + suggest(key, fields),
		})
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

// kindOf names a type in the words of someone who writes a config.
func kindOf(t reflect.Type) string {
	switch {
	case t == nil:
		return "empty"
	case t.Kind() == reflect.Pointer:
		return kindOf(t.Elem())
	case t == reflect.TypeFor[time.Duration]():
		return "a time like 1h"
	}

	switch t.Kind() {
	case reflect.String:
		return "text (in quotes where it looks like a number)"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Float64, reflect.Uint64:
		return "a number"
	case reflect.Slice:
		return "a list"
	}

	return "a section of fields"
}

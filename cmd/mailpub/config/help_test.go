package config

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The list of fields and what loading knows are the same, so that help, explain, completion and the
// schema name every field and no other.
func TestFieldsAreThoseThatLoad(t *testing.T) {
	listed := map[string]bool{}
	for _, f := range Fields() {
		listed[f.Path] = true
		section, _ := splitPath(f.Path)
		if strings.HasSuffix(section, "settings") { // examples: drivers know which there are
			continue
		}

		if !slices.Contains(FieldPaths(), f.Path) {
			t.Errorf("%s is listed, but not known", f.Path)
		}

		if section != "" && !listed[section] {
			t.Errorf("%s comes before its section", f.Path)
		}

		if f.Example != "" && f.Words != nil && !f.Item &&
			!strings.HasPrefix(f.Example, "[") && !slices.Contains(f.Words, f.Example) {
			t.Errorf("%s: the example %s is none of %v", f.Path, f.Example, f.Words)
		}
	}

	for _, path := range FieldPaths() {
		if !listed[path] && !strings.Contains(Help(),
			path[strings.LastIndex(path, ".")+1:]+":") {
			t.Errorf("%s is known, but not listed", path)
		}
	}
}

// Mistakes of types and of values are told in one go, and what only follows from one is not told.
func TestTypesAndValuesAtOnce(t *testing.T) {
	text := strings.NewReplacer(
		"ttl: 10m", "ttl: [soon]",
		"protocol: upnp", "protocol: upnpp",
		"port: 53, proto: udp", "port: 99999, proto: udp",
		"address: 10.10.10.10", "adress: 10.10.10.10",
	).Replace(good)

	_, err := Parse("mailpub.yaml", []byte(text))
	var mistakes Errors
	if !errors.As(err, &mistakes) {
		t.Fatal(err)
	}

	var fields []string
	for _, m := range mistakes {
		fields = append(fields, m.Field)
	}

	want := []string{"server.adress", "zones[0].ttl", "router.protocol",
		"router.forwards[1].internal", "router.forwards[1].port"}

	if !slices.Equal(fields, want) {
		t.Errorf("%q, want %q:\n%v", fields, want, err)
	}
}

// Whatever type a field has, loading says what is wrong, and does not break.
func TestWrongTypes(t *testing.T) {
	refused := 0
	for _, value := range []any{[]any{[]any{}}, map[string]any{"a": map[string]any{"b": "c"}},
		5, -1, true, "text", []any{5, "text", map[string]any{}}, nil} {
		for _, path := range FieldPaths() {
			var fields map[string]any
			if err := yaml.Unmarshal([]byte(good), &fields); err != nil {
				t.Fatal(err)
			}

			put(fields, strings.Split(path, "."), value)
			text, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}

			_, err = Parse("mailpub.json", text)
			var mistakes Errors
			if err != nil && (!errors.As(err, &mistakes) || len(mistakes) == 0) {
				t.Errorf("%s: %v: %v", path, value, err)
			}

			if err != nil {
				refused++
			}
		}
	}

	if refused < 500 {
		t.Errorf("only %d were refused", refused)
	}
}

// put gives a field a value, in the first element of each list on its way.
func put(fields map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		inner, _ := fields[name].(map[string]any)
		if list, ok := fields[name].([]any); ok && len(list) > 0 {
			inner, _ = list[0].(map[string]any)
		}

		if inner == nil {
			inner = map[string]any{}
			fields[name] = inner
		}

		fields = inner
	}

	fields[path[len(path)-1]] = value
}

package guard

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan/lazy"
)

// value is one value of a config.
type value struct {
	path  string // "zones[0].settings.server"
	field string // the path without indices: "zones.settings.server"
	text  string // "" where the value is not text
}

// eachValue calls f for each value of a config that is not empty, in the order of the config's fields.
func eachValue(c *config.Config, f func(value)) {
	walk(reflect.ValueOf(c).Elem(), "", f)
}

func walk(v reflect.Value, path string, f func(value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Tag.Get("mapstructure")
			if name == "" || name == "-" {
				continue
			}
			walk(v.Field(i), join(path, name), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), f)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int {
			if a.String() < b.String() {
				return -1
			}
			return 1
		})

		for _, key := range keys {
			walk(v.MapIndex(key), join(path, key.String()), f)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), path, f)
		}
	default:
		if v.IsZero() {
			return
		}

		one := value{path: path, field: withoutIndices(path)}
		if v.Kind() == reflect.String {
			one.text = v.String()
		}

		f(one)
	}
}

// leaves are the paths of the values that a config can have, without indices. A map of settings is one.
func leaves(t reflect.Type, path string) (all []string) {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return []string{path}
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if name := t.Field(i).Tag.Get("mapstructure"); name != "" && name != "-" {
				all = append(all, leaves(t.Field(i).Type, join(path, name))...)
			}
		}
		return all
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Pointer:
		return leaves(t.Elem(), path)
	}

	return []string{path}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// indexIn finds the place of an element in a path.
var indexIn = lazy.Regexp(`\[\d+\]`)

func withoutIndices(path string) string {
	return indexIn().ReplaceAllString(path, "")
}

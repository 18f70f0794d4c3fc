package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
)

// typeErrors spells out what viper's decoder found wrong, one Problem a field.
func (c *Config) typeErrors(err error) (out Errors) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			out = append(out, c.typeErrors(e)...)
		}
		return out
	}
	var field *mapstructure.DecodeError
	if !errors.As(err, &field) {
		return Errors{{File: c.File, Text: err.Error()}}
	}
	inner := field.Unwrap()
	if nested := errors.Unwrap(err); nested != nil {
		if _, ok := nested.(interface{ Unwrap() []error }); ok {
			return c.typeErrors(nested)
		}
		if errors.As(nested, new(*mapstructure.DecodeError)) {
			return c.typeErrors(nested)
		}
	}
	path := strings.ToLower(field.Name())
	p := Problem{Field: path, Text: inner.Error()}
	p.File, p.Line = c.at(path)
	var wrong *mapstructure.UnconvertibleTypeError
	if errors.As(inner, &wrong) {
		p.Text = fmt.Sprintf("is %s, want %s", kindOf(reflect.TypeOf(wrong.Value)), kindOf(wrong.Expected.Type()))
	} else if strings.Contains(p.Text, "source data must be") || strings.Contains(p.Text, "expected a map") {
		p.Text = "want " + kindAt(path)
	}
	return Errors{p}
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

// lineIn finds the line in a parser's own message: "line 3: ...", "(3, 7): ...", "3:7: ...".
func lineIn(err error) int {
	fields := strings.FieldsFunc(err.Error(), func(r rune) bool { return strings.ContainsRune(" :(,)", r) })
	for _, f := range fields {
		if n, e := strconv.Atoi(f); e == nil {
			return n
		}
	}
	return 0
}

// strip takes the parser's name and line off its message: both are said already.
func strip(err error) string {
	text := strings.TrimPrefix(err.Error(), "While parsing config: ")
	for _, p := range []string{"yaml: ", "toml: "} {
		text = strings.TrimPrefix(text, p)
	}
	if i := strings.Index(text, ": "); i > 0 && strings.HasPrefix(text, "line ") {
		text = text[i+2:]
	}
	return strings.Join(strings.Fields(text), " ")
}

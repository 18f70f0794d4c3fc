package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"
)

// typeErrors spells out what the decoder found wrong, one Problem a field.
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
		p.Text = fmt.Sprintf("is %s, want %s", kindOf(reflect.TypeOf(wrong.Value)),
			kindOf(wrong.Expected.Type()))
	} else if strings.Contains(p.Text, "source data must be") ||
		strings.Contains(p.Text, "expected a map") {
		p.Text = "want " + kindAt(path)
	}

	return Errors{p}
}

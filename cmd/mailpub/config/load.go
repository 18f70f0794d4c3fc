package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// delimiter joins keys inside viper. It stands in no key, so names with dots stay whole.
const delimiter = "::"

// Load reads and checks a config file. The error is an Errors with every mistake that
// was found, or says why the file can't be read.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no config file %s (mailpub init writes one; -c names another)", path)
	}
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, data)
}

// Parse is Load for the text of a file that is at path, or is to be.
func Parse(path string, data []byte) (_ *Config, err error) {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	if format == "yml" {
		format = "yaml"
	}
	c := &Config{File: path}
	v := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	if c.Lines, err = read(v, format, data); err != nil {
		return nil, Errors{{File: path, Line: lineIn(err), Text: strip(err)}}
	}
	problems := unknownKeys(path, c.Lines)
	if err := v.Unmarshal(c, strict); err != nil {
		problems = append(problems, typeErrors(path, c.Lines, err)...)
	}
	if len(problems) == 0 {
		c.fillIn()
		problems = c.check()
	}
	if len(problems) > 0 {
		return nil, problems.sorted()
	}
	return c, nil
}

// read hands a config file to viper, and says where in it the fields are. YAML and JSON are
// parsed once for both.
func read(v *viper.Viper, format string, data []byte) (Lines, error) {
	lines, fields, err := linesOf(format, data)
	switch {
	case err != nil:
		return nil, err
	case fields != nil:
		return lines, v.MergeConfigMap(fields)
	}
	v.SetConfigType(format)
	return lines, v.ReadConfig(bytes.NewReader(data))
}

// strict makes a wrong type an error, where viper would bend it.
func strict(d *mapstructure.DecoderConfig) {
	d.WeaklyTypedInput = false
	d.DecodeHook = durations
}

// durations decodes "1h" where a duration is expected.
func durations(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() {
		return value, nil
	}
	text, ok := value.(string)
	if !ok {
		return nil, errors.New("want a time with its unit, like 30m, 1h or 168h")
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return nil, fmt.Errorf("%q is no time: want a number with its unit, like 30m, 1h or 168h", text)
	}
	return d, nil
}

// typeErrors spells out what viper's decoder found wrong, one Problem a field.
func typeErrors(file string, lines Lines, err error) (out Errors) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			out = append(out, typeErrors(file, lines, e)...)
		}
		return out
	}
	var field *mapstructure.DecodeError
	if !errors.As(err, &field) {
		return Errors{{File: file, Text: err.Error()}}
	}
	inner := field.Unwrap()
	if nested := errors.Unwrap(err); nested != nil {
		if _, ok := nested.(interface{ Unwrap() []error }); ok {
			return typeErrors(file, lines, nested)
		}
		if errors.As(nested, new(*mapstructure.DecodeError)) {
			return typeErrors(file, lines, nested)
		}
	}
	path := strings.ToLower(field.Name())
	p := Problem{File: file, Line: lines.At(path), Field: path, Text: inner.Error()}
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

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
	own, err := readFile(path, data)
	if err != nil {
		return nil, err
	}
	c := &Config{File: path, Lines: own.lines}
	v := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	problems := unknownKeys(path, own.lines)
	if name := own.text("defaults"); name != "" {
		beneath, err := readDefaults(c.Path(name))
		if err != nil {
			return nil, c.inDefaults(name, err)
		}
		c.beneath = &beneath
		problems = append(problems, unknownKeys(beneath.path, beneath.lines)...)
		if err := v.MergeConfigMap(beneath.fields); err != nil {
			return nil, err
		}
	}
	if err := v.MergeConfigMap(own.fields); err != nil {
		return nil, err
	}
	if err := v.Unmarshal(c, strict); err != nil {
		problems = append(problems, c.typeErrors(err)...)
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

// file is a config file as it was read.
type file struct {
	path   string
	lines  Lines
	fields map[string]any
}

// readFile parses a file for what it holds and where in it that is. The error is an Errors.
func readFile(path string, data []byte) (f file, err error) {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	if format == "yml" {
		format = "yaml"
	}
	f.path, data = path, []byte(text(data))
	if f.lines, f.fields, err = linesOf(format, data); err == nil && f.fields == nil { // TOML
		v := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
		v.SetConfigType(format)
		err = v.ReadConfig(bytes.NewReader(data))
		f.fields = v.AllSettings()
	}
	if err != nil {
		return f, Errors{{File: path, Line: lineIn(err), Text: strip(err)}}
	}
	return f, nil
}

// text returns the text of a field at the top, however its name is spelt; "" where there is none.
func (f file) text(name string) string {
	for key, v := range f.fields {
		if s, ok := v.(string); ok && strings.EqualFold(key, name) {
			return s
		}
	}
	return ""
}

// readDefaults reads the file that defaults names.
func readDefaults(path string) (f file, err error) {
	data, err := os.ReadFile(path)
	if err == nil {
		f, err = readFile(path, data)
	}
	if line, further := f.lines["defaults"]; err == nil && further {
		return f, Errors{{File: path, Line: line, Field: "defaults", Text: "is a file of defaults itself, which names no further one"}}
	}
	return f, err
}

// written reports whether a field stands in the config, or in the file of defaults.
func (c *Config) written(path string) bool {
	file, _ := c.at(path)
	lines := c.Lines
	if file != c.File {
		lines = c.beneath.lines
	}
	_, ok := lines[path]
	return ok
}

// inDefaults is an error of the file that defaults names, as the config's.
func (c *Config) inDefaults(name string, err error) Errors {
	var theirs Errors
	if errors.As(err, &theirs) {
		return theirs
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no file %q, want one with what several configs have in common, relative to this one", name)
	}
	return Errors{{File: c.File, Line: c.Lines.At("defaults"), Field: "defaults", Text: err.Error()}}
}

// at returns where a field is: in the config, or in the file of defaults beneath it. What is in
// neither is said of the config.
func (c *Config) at(path string) (file string, line int) {
	list, _, _ := strings.Cut(path, "[")
	if _, own := c.Lines[list]; c.beneath != nil && (!own || list == path) { // lists are taken whole
		own, theirs := c.Lines.nearest(path), c.beneath.lines.nearest(path)
		if len(theirs) > len(own) {
			return c.beneath.path, c.beneath.lines[theirs]
		}
	}
	return c.File, c.Lines.At(path)
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

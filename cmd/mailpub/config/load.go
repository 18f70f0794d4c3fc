package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/viper"
)

// Load reads and checks a config file. The error is an Errors with every mistake that
// was found, or says why the file can't be read.
func Load(path string) (*Config, error) {
	u, err := Read(path)
	if err != nil {
		return nil, err
	}
	return u.Check()
}

// Parse is Load for the text of a file that is at path, or is to be.
func Parse(path string, data []byte) (*Config, error) {
	return ParseOver(path, data, readOwned)
}

// ParseOver is Parse for a file whose defaults are not beside it: beneath returns the text of the file that defaults
// names.
func ParseOver(path string, data []byte, beneath func(path string) ([]byte, error)) (*Config, error) {
	u, err := parse(path, data, beneath)
	if err != nil {
		return nil, err
	}
	return u.Check()
}

// readOwned reads a file that nobody else may write.
func readOwned(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		err = checkOwner(path)
	}
	return data, err
}

// Unchecked is a config whose files were read, and of which nobody knows yet whether it is right.
type Unchecked struct {
	config *Config
	files  []file // the one of defaults, if any, beneath the config's own
}

// Read is the first half of Load.
func Read(path string) (*Unchecked, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no config file %s (mailpub init writes one; -c names another)",
			path)
	}
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if err := checkOwner(path); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}

	return parse(path, data, readOwned)
}

func parse(path string, data []byte, beneath func(string) ([]byte, error)) (*Unchecked, error) {
	own, err := readFile(path, data)
	if err != nil {
		return nil, err
	}

	c := &Config{File: path, Lines: own.lines, sources: []Source{own.source()}}
	name := own.text("defaults")
	if name == "" {
		return &Unchecked{c, []file{own}}, nil
	}

	under, err := readDefaults(c.Path(name), beneath)
	if err != nil {
		return nil, c.inDefaults(name, err)
	}

	c.beneath = &under
	c.sources = append(c.sources, under.source())
	return &Unchecked{c, []file{under, own}}, nil
}

// Sources are the files that the config was read from: its own, and the one of defaults if there is one.
func (c *Config) Sources() []Source { return c.sources }

// Ledger returns the state directory and the name of the site, as they stand in the files. Check
// may come to others, or find a mistake in them; what is no name is "".
func (u *Unchecked) Ledger() (dir, site string) {
	dir = DefaultState
	for _, f := range u.files {
		dir = cmp.Or(f.text("state"), dir)
		site = cmp.Or(f.text("site"), site)
	}

	if !siteName(site) {
		site = ""
	}

	return u.config.Path(dir), site
}

// Check is the second half of Load. It may be called once.
func (u *Unchecked) Check() (*Config, error) {
	c := u.config
	v := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	var problems Errors

	for _, f := range u.files {
		problems = append(problems, unknownKeys(f.path, f.lines)...)
		if err := v.MergeConfigMap(f.fields); err != nil {
			return nil, err
		}
	}

	problems = append(problems, u.hiddenErrors()...)
	if err := v.Unmarshal(c, strict); err != nil {
		for _, p := range c.typeErrors(err) {
			if !slices.Contains(problems, p) {
				problems = append(problems, p)
			}
		}
	}

	c.fillIn()
	problems = append(problems, c.rootProblems(c.check(), problems)...)
	if len(problems) > 0 {
		return nil, problems.sorted()
	}

	return c, nil
}

// hiddenErrors are the wrong types of a file over defaults. Merging passes over a value that is no section if the
// defaults have a section there.
func (u *Unchecked) hiddenErrors() Errors {
	if len(u.files) < 2 {
		return nil
	}

	own := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	if err := own.MergeConfigMap(u.files[len(u.files)-1].fields); err != nil {
		return Errors{{File: u.config.File, Text: err.Error()}}
	}
	if err := own.Unmarshal(new(Config), strict); err != nil {
		return u.config.typeErrors(err)
	}

	return nil
}

// rootProblems returns the mistakes that were found in a config which do not follow from others: from
// fields that are not known, or that have a wrong type and so no value.
func (c *Config) rootProblems(found, before Errors) (out Errors) {
	for _, p := range found {
		follows := slices.ContainsFunc(before, func(b Problem) bool {
			return c.isConsequence(p, b)
		})
		if !follows {
			out = append(out, p)
		}
	}

	return out
}

// isConsequence reports whether a mistake may follow from another one: in the same field, around it or
// within; a field that is missing where another one of its section is wrong; what needs the zones
// where these are wrong.
func (c *Config) isConsequence(p, before Problem) bool {
	section, _ := splitPath(before.Field)
	own, _ := splitPath(p.Field)
	switch {
	case within(p.Field, before.Field), within(before.Field, p.Field):
		return true
	case own == section && !c.has(p.Field):
		return true
	}

	return within(before.Field, "zones") && !within(p.Field, "router") &&
		!within(p.Field, "service") &&
		!within(p.Field, "verify") && !within(p.Field, "watch")
}

// within reports whether a path is another one, or below it.
func within(path, section string) bool {
	rest, ok := strings.CutPrefix(path, section)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// readDefaults reads the file that defaults names.
func readDefaults(path string, read func(string) ([]byte, error)) (f file, err error) {
	data, err := read(path)
	if err == nil {
		f, err = readFile(path, data)
	}

	if line, further := f.lines["defaults"]; err == nil && further {
		return f, Errors{{File: path, Line: line, Field: "defaults", Text: "is a file of defaults itself, which names no further one"}}
	}

	return f, err
}

// inDefaults is an error of the file that defaults names, as the config's.
func (c *Config) inDefaults(name string, err error) Errors {
	var theirs Errors
	if errors.As(err, &theirs) {
		return theirs
	}

	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("cannot find %q, want a file with the settings that several configs share, relative to this one", name)
	}

	return Errors{{File: c.File, Line: c.Lines.At("defaults"), Field: "defaults", Text: err.Error()}}
}

// strict makes a wrong type an error, where viper would bend it.
func strict(d *mapstructure.DecoderConfig) {
	d.WeaklyTypedInput = false
	d.DecodeHook = durations
}

// durations decodes "1h" where a duration is expected, and a date where text is.
func durations(from, to reflect.Type, value any) (any, error) {
	if day, isTime := value.(time.Time); isTime && to.Kind() == reflect.String { // YAML reads 2027-01-31 as a time
		return day.Format(time.DateOnly), nil
	}
	if day, isDate := value.(toml.LocalDate); isDate && to.Kind() == reflect.String {
		return day.String(), nil
	}
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

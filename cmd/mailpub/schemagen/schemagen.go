// Package schemagen makes the JSON Schema of a config file from the structs that load it, for
// editors. It knows what JSON Schema can say; what it can't (that a zone holds a name, say) is
// left to the config's own check.
//
// The tests alone use it: mailpub contains the text that it made, and not the libraries.
package schemagen

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/schema"
	"github.com/mailpub/mailpub/providers"
)

// Patterns of values that are more than text.
const (
	duration  = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	reference = `^(env|file|exec):.+$`
)

// Schema returns the schema, indented.
func Schema() ([]byte, error) {
	about := map[string]string{}
	for _, k := range config.Keys() {
		about[k.Path] = k.Text
	}

	describe := func(path string) string { return about[path] }

	r := jsonschema.Reflector{
		FieldNameTag:               "mapstructure",
		DoNotReference:             true,
		ExpandedStruct:             true,
		Anonymous:                  true,
		RequiredFromJSONSchemaTags: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[time.Duration]() {
				return &jsonschema.Schema{Type: "string", Pattern: duration}
			}
			return nil
		},
	}

	s := r.Reflect(&config.Config{})
	s.ID = schema.ID
	s.Title = "mailpub"
	s.Description = "A mail server and its reachability from the Internet."
	complete(s, "", describe)
	// What a file lacks may be in its defaults.
	s.If, s.Then, s.Required = &jsonschema.Schema{Not: &jsonschema.Schema{Required: []string{"defaults"}}}, &jsonschema.Schema{Required: s.Required}, nil
	zone, _ := s.Properties.Get("zones")
	zone.Items.AllOf = byProvider()
	service, _ := s.Properties.Get("service")
	service.AllOf = byServer()
	data, err := json.MarshalIndent(s, "", "  ")

	return append(data, '\n'), err
}

// complete adds to the schema of a section what the structs do not say.
func complete(s *jsonschema.Schema, path string, describe func(string) string) {
	if path != "" && s.Description == "" {
		s.Description = describe(path)
	}

	if words := config.Words(path); words != nil && s.Type == "string" {
		for _, w := range words {
			s.Enum = append(s.Enum, w)
		}
	}

	switch last := path[strings.LastIndex(path, ".")+1:]; last {
	case "port", "internal", "ports":
		limit(s, "1", "65535")
	case "preference":
		limit(s, "0", "65535")
	case "password", "token":
		s.Pattern = reference
	}

	s.Required = config.Required(path)
	if s.Properties == nil {
		if s.Items != nil {
			complete(s.Items, path, func(p string) string {
				if p == path { // said of the list already
					return ""
				}
				return describe(p)
			})

			s.Items.Required = config.Required(path)
			s.Required = nil
		}

		return
	}

	for at := s.Properties.Oldest(); at != nil; at = at.Next() {
		complete(at.Value, strings.TrimPrefix(path+"."+at.Key, "."), describe)
	}
}

func limit(s *jsonschema.Schema, least, most json.Number) {
	if s.Items != nil {
		s = s.Items
	}
	s.Minimum = least
	s.Maximum = most
}

// setting is one of a provider's or a mail server's.
type setting struct {
	name, help       string
	required, secret bool
}

// byProvider says which settings each provider takes.
func byProvider() (rules []*jsonschema.Schema) {
	for _, p := range providers.All() {
		var list []setting
		for _, s := range p.Settings {
			list = append(list, setting{s.Name, s.Help, s.Required, s.Secret})
		}
		rules = append(rules, rule("provider", p.Name, list))
	}

	return rules
}

// byServer says which settings each mail server takes.
func byServer() (rules []*jsonschema.Schema) {
	for _, t := range config.ServerTypes() {
		var list []setting
		for _, s := range t.Settings {
			list = append(list, setting{s.Name, s.Want, false, s.Secret})
		}
		rules = append(rules, rule("type", t.Name, list))
	}

	return rules
}

// rule says what settings may hold where a field has a value.
func rule(field, value string, list []setting) *jsonschema.Schema {
	is := jsonschema.NewProperties()
	is.Set(field, &jsonschema.Schema{Const: value})
	known := jsonschema.NewProperties()
	settings := &jsonschema.Schema{
		Type:                 "object",
		Properties:           known,
		AdditionalProperties: jsonschema.FalseSchema,
	}

	for _, s := range list {
		one := &jsonschema.Schema{Type: "string", Description: s.help}
		if s.secret {
			one.Pattern = reference
		}

		known.Set(s.name, one)
		if s.required {
			settings.Required = append(settings.Required, s.name)
		}
	}

	then := jsonschema.NewProperties()
	then.Set("settings", settings)
	out := &jsonschema.Schema{
		If:   &jsonschema.Schema{Properties: is, Required: []string{field}},
		Then: &jsonschema.Schema{Properties: then},
	}

	if settings.Required != nil {
		out.Then.Required = []string{"settings"}
	}

	return out
}

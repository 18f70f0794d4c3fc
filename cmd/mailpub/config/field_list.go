package config

import (
	"slices"
	"sync"
)

// Fields returns every field, in the order of the help page. Settings of providers and of mail
// servers are among them as examples.
func Fields() []Field {
	return slices.Concat(siteFields(), serverFields(), domainFields(), zoneFields(),
		routerFields(),
		serviceFields(), verifyFields(), watchFields(), ignoreFields())
}

// words and required are what Fields say, made once: they do not change.
var (
	words = sync.OnceValue(func() map[string][]string {
		all := map[string][]string{}
		for _, f := range Fields() {
			if f.Words != nil {
				all[f.Path] = f.Words
			}
		}
		return all
	})
	required = sync.OnceValue(func() map[string][]string {
		all := map[string][]string{}
		for _, f := range Fields() {
			if section, name := splitPath(f.Path); f.Required {
				all[section] = append(all[section], name)
			}
		}
		return all
	})
)

// Words returns the values that a field can have, by its path without indices; nil where it is not
// one of a few words.
func Words(path string) []string { return slices.Clone(words()[path]) }

// Required returns the fields that a section must have, by its path without indices: "" is the
// whole file.
func Required(section string) []string { return slices.Clone(required()[section]) }

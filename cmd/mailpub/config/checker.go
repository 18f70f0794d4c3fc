package config

import (
	"fmt"
	"slices"
)

// checker collects the mistakes of a config. A field with a wrong type has no value here; see
// Config.independent.
type checker struct {
	c   *Config
	bad Errors
}

func (k *checker) add(path, format string, args ...any) {
	file, line := k.c.at(path)
	k.bad = append(k.bad, Problem{
		File:  file,
		Line:  line,
		Field: path,
		Text:  fmt.Sprintf(format, args...),
	})
}

// siteName reports whether a site can be called so: files are named after it.
func siteName(s string) bool { return word(s, "-", 31) && s[0] != '-' }

// word checks a field that is one of a few words (see Words), or one of others.
func (k *checker) word(field, path, s string, others ...string) {
	if words := Words(field); !slices.Contains(words, s) && !slices.Contains(others, s) {
		k.add(path, "is %q, %s", s, suggest(s, words))
	}
}

func (k *checker) port(path string, n int) {
	if n < 1 || n > 65535 {
		k.add(path, "is %d, want a port from 1 to 65535", n)
	}
}

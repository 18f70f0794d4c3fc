package config

import (
	"strings"
)

// has reports whether a field stands in a file of the config.
func (c *Config) has(path string) bool {
	if _, ok := c.Lines[path]; ok {
		return true
	}
	if c.beneath == nil {
		return false
	}

	_, ok := c.beneath.lines[path]
	return ok
}

// isSet reports whether a field stands in the config, or in the file of defaults.
func (c *Config) isSet(path string) bool {
	file, _ := c.at(path)
	lines := c.Lines
	if file != c.File {
		lines = c.beneath.lines
	}
	_, ok := lines[path]
	return ok
}

// at returns where a field is: in the config, or in the file of defaults beneath it. What is in
// neither is said of the config.
func (c *Config) at(path string) (file string, line int) {
	list, _, _ := strings.Cut(path, "[")
	if _, own := c.Lines[list]; c.beneath != nil && (!own || list == path) { // lists are taken whole
		own := c.Lines.nearest(path)
		theirs := c.beneath.lines.nearest(path)
		if len(theirs) > len(own) {
			return c.beneath.path, c.beneath.lines[theirs]
		}
	}

	return c.File, c.Lines.At(path)
}

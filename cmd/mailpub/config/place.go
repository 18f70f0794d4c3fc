package config

import (
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
)

// LineOf returns the line of the config that a target of a plan belongs to; without a target, the line that a
// check belongs to. It is zero where that stands in another file, or nowhere.
func (c *Config) LineOf(target plan.Target, check plan.Check) int {
	if target != (plan.Target{}) {
		return c.ownLine(c.targetPath(target))
	}

	switch catalog.Area(check.ID) {
	case catalog.AreaRouter:
		return c.ownLine("router")
	case catalog.AreaMail:
		return c.ownLine("service")
	}

	name := check.Subject.Name
	if name == "" {
		name, _, _ = strings.Cut(check.Subject.String(), " ")
	}

	return c.ownLine(c.namePath(name))
}

func (c *Config) targetPath(target plan.Target) string {
	if target.Kind != "zone" {
		return target.Kind
	}

	for i, z := range c.Zones {
		if sameName(z.Name, target.Name) {
			return fmt.Sprintf("zones[%d]", i)
		}
	}

	return "zones"
}

// namePath is the field that a DNS name belongs to: the domain or zone with the longest name around it.
func (c *Config) namePath(name string) string {
	best, path := 0, "server.hostname"
	consider := func(around, field string) {
		if mail.Within(name, around) && len(around) > best {
			best = len(around)
			path = field
		}
	}

	for i, d := range c.Domains {
		consider(d.Name, fmt.Sprintf("domains[%d]", i))
	}

	for i, z := range c.Zones {
		consider(z.Name, fmt.Sprintf("zones[%d]", i))
	}

	if sameName(name, c.Server.Hostname) {
		return "server.hostname"
	}

	return path
}

// ownLine is the line of a path in the config's own file.
func (c *Config) ownLine(path string) int {
	file, line := c.at(path)
	if file != c.File {
		return 0
	}
	return line
}

// Position returns where a field is, or the nearest thing around it: the file and the line, from 1.
func (c *Config) Position(path string) (file string, line int) { return c.at(path) }

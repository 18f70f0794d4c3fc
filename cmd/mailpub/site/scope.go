package site

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// Scope narrows plans down to parts of a site. The zero Scope has all of it. What is not in it is not
// asked: with DNS alone neither the router nor the mail server is.
//
// A part is "dns", "router", "service", "zone:NAME", or one thing as plan calls it: "tcp/25",
// "nomeazienda.it. MX".
type Scope struct {
	Only    []string // none: all
	Exclude []string
}

// The parts of a site that have a word.
const (
	scopeDNS     = "dns"
	scopeRouter  = "router"
	scopeService = "service"
	scopeZone    = "zone:"
)

// ScopeWords are the words for parts of a site of a config, for help and completion.
func ScopeWords(cfg *config.Config) []string {
	words := []string{scopeDNS, scopeRouter, scopeService}
	for _, z := range cfg.Zones {
		words = append(words, scopeZone+z.Name)
	}
	return words
}

func (c Scope) all() bool { return len(c.Only)+len(c.Exclude) == 0 }

// check fails on words that mean nothing in a config.
func (c Scope) check(cfg *config.Config) error {
	known := ScopeWords(cfg)
	for _, word := range slices.Concat(c.Only, c.Exclude) {
		near := plan.Nearest(word, known)
		switch {
		case slices.Contains(known, word) || isKey(word) && near == "":
			continue
		case near != "":
			return fmt.Errorf("%q is not a part of the site, did you mean %s?", word, near)
		}

		return fmt.Errorf("%q is not a part of the site, want %s, or the name of a change as plan shows it",
			word, strings.Join(known, ", "))
	}

	return nil
}

// isKey reports whether a word is the name of one thing.
func isKey(word string) bool {
	return !slices.Contains([]string{scopeDNS, scopeRouter, scopeService}, word) &&
		!strings.HasPrefix(word, scopeZone)
}

// target reports whether a target is asked. What is named alone is asked of all that can have it.
func (c Scope) target(t plan.Target) bool {
	if slices.ContainsFunc(c.Exclude, func(word string) bool {
		return isInPart(word, t) || isZone(word, t)
	}) {
		return false
	}

	return len(c.Only) == 0 || slices.ContainsFunc(c.Only, func(word string) bool {
		mayHave := isKey(word) && slices.ContainsFunc(partsOf(word), func(part string) bool {
			return isInPart(part, t)
		})
		return isInPart(word, t) || isZone(word, t) || mayHave
	})
}

// change reports whether a change is in the scope.
func (c Scope) change(ch plan.Change) bool {
	is := func(word string) bool {
		return isInPart(word, ch.Target) || isZone(word, ch.Target) || isSameKey(word, ch.Key)
	}
	return !slices.ContainsFunc(c.Exclude, is) &&
		(len(c.Only) == 0 || slices.ContainsFunc(c.Only, is))
}

// isInPart reports whether a target belongs to dns, router or service. The reverse zone and the policies
// that a web server hands out belong to DNS, whose records they go with.
func isInPart(word string, t plan.Target) bool {
	switch word {
	case scopeDNS:
		return t.Kind == plan.TargetZone || t.Kind == mail.TargetReverse ||
			t.Kind == mail.TargetWeb
	case scopeRouter:
		return t.Kind == mail.TargetRouter
	case scopeService:
		return t.Kind == mail.TargetService
	}

	return false
}

func isZone(word string, t plan.Target) bool {
	name, found := strings.CutPrefix(word, scopeZone)
	return found && t.Kind == plan.TargetZone &&
		strings.EqualFold(strings.TrimSuffix(name, "."), t.Name)
}

// partsOf are the parts that a thing of a name can be in.
func partsOf(word string) []string {
	if _, err := forward.ParsePort(plan.Key{Kind: forward.Kind, Name: word}); err == nil {
		return []string{scopeRouter}
	}
	if strings.Contains(word, " ") { // "nomeazienda.it. MX", "recipient postmaster"
		return []string{scopeDNS, scopeService}
	}
	return []string{scopeService}
}

// isSameKey reports whether a word names a thing, whatever its letters and final dots.
func isSameKey(word string, k plan.Key) bool {
	plain := func(s string) string {
		return strings.ReplaceAll(strings.ToLower(s)+" ", ". ", " ")
	}
	return plain(word) == plain(k.Name)
}

// missing fails where a name is that of no key.
func (c Scope) missing(keys map[plan.Key]bool) error {
	var names []string
	for k := range keys {
		names = append(names, k.Name)
	}

	for _, word := range slices.Concat(c.Only, c.Exclude) {
		if !isKey(word) || slices.ContainsFunc(names, func(name string) bool {
			return isSameKey(word, plan.Key{Name: name})
		}) {
			continue
		}
		if near := plan.Nearest(word, names); near != "" {
			return fmt.Errorf("there is no %q in the plan or the ledger, did you mean %q?",
				word, near)
		}

		return fmt.Errorf("there is no %q in the plan or the ledger; mailpub plan shows the names", word)
	}

	return nil
}

// ParseScope reads what a plan has in Scope.
func ParseScope(words []string) (c Scope) {
	for _, word := range words {
		if rest, excluded := strings.CutPrefix(word, "-"); excluded {
			c.Exclude = append(c.Exclude, rest)
			continue
		}
		c.Only = append(c.Only, word)
	}

	return c
}

// errNotAsked stands for a router that is not in the scope.
var errNotAsked = errors.New("the router is excluded")

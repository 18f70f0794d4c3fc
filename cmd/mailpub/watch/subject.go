package watch

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
)

// subjectKey is what a trouble is known by: the check that sees it, and what that looked at, in words.
// In memory and in notices it is one text, "router.forward tcp/25".
type subjectKey struct {
	check string // the id of a check, or a word of this package: "look", "repair"
	words string
}

// Subjects that others follow from, or that stand for no check.

func subjectPass() subjectKey    { return subjectKey{check: "look"} }
func subjectRepair() subjectKey  { return subjectKey{check: "repair"} }
func subjectSources() subjectKey { return subjectKey{"address", "sources"} }
func subjectGateway() subjectKey { return subjectKey{catalog.RouterGateway, "router"} }
func subjectAddress() subjectKey { return subjectKey{catalog.RouterAddress, "public address"} }

// subjectOfCheck is how a finding is called.
func subjectOfCheck(c plan.Check) subjectKey { return subjectKey{c.ID, c.Subject.String()} }

// subjectOf is how a change is called: as the check that sees the same.
func subjectOf(c plan.Change) subjectKey {
	id, ok := map[string]string{"forward": catalog.RouterForward, "dns": catalog.DNSDrift,
		"service": catalog.ServiceConfig}[c.Key.Kind]
	if !ok {
		id = c.Key.Kind
	}
	return subjectKey{id, c.Key.Name}
}

// String is the subject in a notice; empty for none.
func (s subjectKey) String() string {
	if s.words == "" {
		return s.check
	}
	return s.check + " " + s.words
}

func (s subjectKey) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String wrote.
func (s *subjectKey) UnmarshalText(text []byte) error {
	s.check, s.words, _ = strings.Cut(string(text), " ")
	return nil
}

// ofAddress reports whether a subject says nothing but that DNS has not followed the address yet.
func (s subjectKey) ofAddress() bool {
	switch s.check {
	case catalog.RouterAddress, catalog.HostA, catalog.HostPTR, catalog.HostFCrDNS, catalog.SPFPass:
		return true
	case catalog.DNSDrift:
		_, rrtype, tag, err := mail.SplitDNSKey(plan.Key{Kind: "dns", Name: s.words})
		return err == nil && (slices.Contains([]string{"A", "AAAA", "PTR"}, rrtype) ||
			rrtype == "TXT" && tag == "v=spf1")
	}

	return false
}

// sortedSubjects returns the keys of a map, in the order of their texts.
func sortedSubjects[V any](m map[subjectKey]V) []subjectKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b subjectKey) int {
		return cmp.Compare(a.String(), b.String())
	})
}

package plan

import "strings"

// TargetZone is the one kind of target of which a site has several, told apart by name.
const TargetZone = "zone"

// Target is whose a thing is: one of those that must agree for mail to arrive. Plans and
// ledgers hold it as text: "mail service", "router", "zone nomeazienda.it".
type Target struct {
	Kind string // "mail service", "router", TargetZone
	Name string // of a zone, without its final dot; else empty
}

// ParseTarget reads the text of a target. Every text is one.
func ParseTarget(text string) Target {
	if name, ok := strings.CutPrefix(text, TargetZone+" "); ok {
		return Target{Kind: TargetZone, Name: name}
	}
	return Target{Kind: text}
}

// String returns the text: "zone nomeazienda.it".
func (t Target) String() string {
	if t.Name == "" {
		return t.Kind
	}
	return t.Kind + " " + t.Name
}

// MarshalText encodes a target as its text.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the text of a target.
func (t *Target) UnmarshalText(text []byte) error {
	*t = ParseTarget(string(text))
	return nil
}

package plan

// KeptCheck is a check whose JSON has all of it, so that it can be read again: its subject's fields, and what the report
// leaves out.
type KeptCheck struct {
	Check
	Subject subjectFields `json:"subject"`
	Advice  bool          `json:"advice,omitempty"`
	Reason  Reason        `json:"reason,omitempty"`
}

// subjectFields is a subject whose JSON has its fields, and not the words for people.
type subjectFields Subject

// Keep returns a check as it can be kept.
func Keep(c Check) KeptCheck {
	return KeptCheck{
		Check:   c,
		Subject: subjectFields(c.Subject),
		Advice:  c.Advice,
		Reason:  c.Reason,
	}
}

// Whole returns the check that was kept.
func (k KeptCheck) Whole() Check {
	c := k.Check
	c.Subject = Subject(k.Subject)
	c.Advice = k.Advice
	c.Reason = k.Reason
	return c
}

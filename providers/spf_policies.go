package providers

import (
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
)

// spfPolicies returns the SPF records of an answer. "v=spf10" is none (RFC 7208 section 4.5).
func spfPolicies(a Answer) (out []string) {
	t := target{tag: spfTag}
	for _, r := range a.Records {
		if text, err := mail.Text(r.Data); err == nil && t.holds(record{data: r.Data}) {
			out = append(out, text)
		}
	}
	return out
}

const spfTag = "v=spf1"

// lastWord returns the record's "all" term in lower case, and its redirect, which counts
// only without one (RFC 7208 section 6.1).
func lastWord(record string) (all, redirect string) {
	for _, term := range strings.Fields(record)[1:] {
		low := strings.ToLower(term)
		if all == "" && strings.TrimLeft(low, "+-~?") == "all" {
			all = low
		}
		if to, ok := strings.CutPrefix(low, "redirect="); ok {
			redirect = to
		}
	}
	return all, redirect
}

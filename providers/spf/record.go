package spf

import (
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// Records returns the SPF records of an answer. "v=spf10" is none (RFC 7208 section 4.5).
func Records(a resolver.Answer) (out []string) {
	t := record.Target{Tag: Tag}
	for _, r := range a.Records {
		if text, err := mail.Text(r.Data); err == nil && t.Holds(record.Record{Data: r.Data}) {
			out = append(out, text)
		}
	}
	return out
}

const Tag = "v=spf1"

// LastTerms returns the record's "all" term in lower case, and its redirect, which counts
// only without one (RFC 7208 section 6.1).
func LastTerms(record string) (all, redirect string) {
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

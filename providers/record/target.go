package record

import (
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
)

// Target is a parsed key.
type Target struct {
	RRset
	Tag string // of one TXT record among others; empty for the whole RRset
}

// Holds reports whether a record of the RRset is the key's: with a tag, text that begins
// with it, followed by a space or nothing. "v=spf10" is no SPF record (RFC 7208 section 4.5).
func (t Target) Holds(r Record) bool {
	if t.Tag == "" {
		return true
	}

	text, err := mail.Text(r.Data)
	if err != nil || len(text) < len(t.Tag) || !strings.EqualFold(text[:len(t.Tag)], t.Tag) {
		return false
	}

	return len(text) == len(t.Tag) || text[len(t.Tag)] == ' '
}

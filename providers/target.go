package providers

import (
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
)

// target is a parsed key.
type target struct {
	rrset
	tag string // of one TXT record among others; empty for the whole RRset
}

// holds reports whether a record of the RRset is the key's: with a tag, text that begins
// with it, followed by a space or nothing. "v=spf10" is no SPF record (RFC 7208 section 4.5).
func (t target) holds(r record) bool {
	if t.tag == "" {
		return true
	}
	text, err := mail.Text(r.data)
	if err != nil || len(text) < len(t.tag) || !strings.EqualFold(text[:len(t.tag)], t.tag) {
		return false
	}
	return len(text) == len(t.tag) || text[len(t.tag)] == ' '
}

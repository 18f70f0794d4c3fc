package dnscheck

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// Selector is a DKIM key that a domain signs with, as the checks need to know it.
type Selector struct {
	Name string
	// Proves returns nil when a signature of the private key is proved by the text of a
	// record. It is nil where the private key is not to be had here.
	Proves func(record string) error
}

// dkim checks the record of each selector, and that it belongs to the key that signs.
func (e *checkRun) dkim() {
	for _, d := range e.Domains {
		for _, s := range d.DKIM {
			name := s.Name + "._domainkey." + mail.FQDN(d.Name)
			e.dkimRecord(name)
			e.dkimMatch(name, s)
		}
	}
}

func (e *checkRun) dkimRecord(name string) {
	e.examine(rule{
		id: catalog.DKIMRecord, subject: record.Bare(name), want: "a public key", ref: "RFC 6376 section 3.6.1", name: name, rrtype: "TXT",
		judge: func(a resolver.Answer) verdict {
			texts := a.Texts()
			switch len(texts) {
			case 0:
				return fail(said(a), "publish the key; mailpub apply does")
			case 1:
			default:
				return fail(fmt.Sprintf("%d records", len(texts)), "leave one record: with several, receivers may take any (RFC 6376 section 3.6.2.2)")
			}
			if why := keyProblem(texts[0]); why != "" {
				return fail(why, "correct the record, or let mailpub apply publish the key")
			}
			return pass(shortened(texts[0]))
		},
	})
}

// keyProblem says what is wrong with the record of a key, or returns "".
func keyProblem(text string) string {
	tags := tagList(text)
	if v, ok := tags["v"]; ok && v != "DKIM1" {
		return fmt.Sprintf("v=%s, want DKIM1", shortened(v))
	}
	if k, ok := tags["k"]; ok && k != "rsa" && k != "ed25519" {
		return fmt.Sprintf("k=%s, which no receiver knows", shortened(k))
	}
	p, ok := tags["p"]
	p = strings.Join(strings.Fields(p), "")
	switch raw, err := base64.StdEncoding.DecodeString(p); {
	case !ok:
		return "no key: p= is missing in " + shortened(text)
	case p == "":
		return "the key is revoked: p= is empty"
	case err != nil:
		return "p= is not base64, as when a part of it was lost"
	case tags["k"] == "ed25519" && len(raw) != 32:
		return fmt.Sprintf("p= has %d octets, want the 32 of an Ed25519 key", len(raw))
	}
	return ""
}

// tagList reads "tag=value; ..." (RFC 6376 section 3.2). Of a tag that is there twice the
// first counts.
func tagList(text string) map[string]string {
	tags := map[string]string{}
	for _, part := range strings.Split(text, ";") {
		tag, value, _ := strings.Cut(part, "=")
		if tag = strings.TrimSpace(tag); tag != "" {
			if _, twice := tags[tag]; !twice {
				tags[tag] = strings.TrimSpace(value)
			}
		}
	}
	return tags
}

// shortened is a text that nobody reads to its end.
func shortened(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}

func (e *checkRun) dkimMatch(name string, s Selector) {
	r := rule{
		id: catalog.DKIMMatch, subject: record.Bare(name), want: "proves what the private key signs", ref: "RFC 6376 section 6.1.3", name: name, rrtype: "TXT",
		judge: func(a resolver.Answer) verdict {
			texts := a.Texts()
			if len(texts) != 1 {
				return fail(fmt.Sprintf("%d records", len(texts)), "see dkim.record")
			}
			if err := s.Proves(texts[0]); err != nil {
				return fail(fmt.Sprintf("does not (%v)", err), "the record belongs to another key than the one here: let mailpub apply publish this one, or sign with the other")
			}
			return pass("a test message signed with the private key is proved")
		},
	}
	if s.Proves == nil {
		e.skip(r.id, r.subject, "the private key is not here", "run verify where the key file is, or make it with mailpub dkim --make")
		return
	}
	e.examine(r)
}

package dnscheck

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
)

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
	e.checkRule(rule{
		id:      catalog.DKIMRecord,
		subject: subjectOf(name),
		want:    "a public key",
		ref:     "RFC 6376 section 3.6.1",
		name:    name,
		rrtype:  "TXT",
		judge: func(a resolver.Answer) verdict {
			texts := a.Texts()
			switch len(texts) {
			case 0:
				return fail(answerSummary(a), "publish the key; mailpub apply does")
			case 1:
			default:
				return fail(fmt.Sprintf("%d records", len(texts)),
					"leave one record: with several, receivers may take any (RFC 6376 section 3.6.2.2)")
			}

			if why := keyProblem(texts[0]); why != "" {
				return fail(why, "correct the record, or let mailpub apply publish the key")
			}

			return pass(shortened(texts[0]))
		},
	})
}

// keyProblem says why receivers can't use the record of a key for mail, or returns "".
func keyProblem(text string) string {
	tags, ok := mail.Tags(text)
	if !ok {
		return "it is no list of tags, or has a tag twice: " + shortened(text)
	}

	var public *string
	kind := "rsa"
	for i, t := range tags {
		switch t.Name {
		case "v":
			if t.Value != "DKIM1" {
				return fmt.Sprintf("v=%s, want DKIM1", shortened(t.Value))
			}
			if i > 0 {
				return "v= must be the first tag (RFC 6376 section 3.6.1)"
			}
		case "k":
			if kind = t.Value; kind != "rsa" && kind != "ed25519" {
				return fmt.Sprintf("k=%s, which no receiver knows", shortened(kind))
			}
		case "h":
			if !inList(t.Value, "sha256") {
				return fmt.Sprintf("h=%s, without sha256, the one that is in use (RFC 8301 section 3.1)",
					shortened(t.Value))
			}
		case "s":
			if !inList(t.Value, "*") && !inList(t.Value, "email") {
				return fmt.Sprintf("s=%s, which is not for mail (RFC 6376 section 3.6.1)",
					shortened(t.Value))
			}
		case "p":
			public = &t.Value
		}
	}

	if public == nil {
		return "no key: p= is missing in " + shortened(text)
	}

	return publicKeyProblem(kind, strings.Join(strings.Fields(*public), ""))
}

func inList(list, word string) bool {
	for w := range strings.SplitSeq(list, ":") {
		if strings.TrimSpace(w) == word {
			return true
		}
	}
	return false
}

// publicKeyProblem says why p= holds no key of a kind that receivers use, or returns "".
func publicKeyProblem(kind, p string) string {
	if p == "" {
		return "the key is revoked: p= is empty"
	}

	raw, err := base64.StdEncoding.DecodeString(p)
	switch {
	case err != nil:
		return "p= is not base64, as when a part of it was lost"
	case kind == "ed25519" && len(raw) != ed25519.PublicKeySize:
		return fmt.Sprintf("p= has %d octets, want the 32 of an Ed25519 key", len(raw))
	case kind == "ed25519":
		return ""
	case len(raw) == ed25519.PublicKeySize:
		return "p= is as long as an Ed25519 key, but k=ed25519 is missing"
	}

	key, err := rsaKey(raw)
	switch {
	case err != nil:
		return fmt.Sprintf("p= is no RSA key (%d octets), as when a part of it was lost",
			len(raw))
	case key.N.BitLen() < 1024:
		return fmt.Sprintf("an RSA key of %d bits: receivers refuse those under 1024 (RFC 8301 section 3.2)",
			key.N.BitLen())
	}

	return ""
}

// rsaKey reads a key as RFC 6376 section 3.6.1 has it, or without the wrapping, as section 3.6.1's
// erratum allows and some publish it.
func rsaKey(raw []byte) (*rsa.PublicKey, error) {
	if any, err := x509.ParsePKIXPublicKey(raw); err == nil {
		if key, ok := any.(*rsa.PublicKey); ok {
			return key, nil
		}
		return nil, errors.New("another kind of key")
	}
	return x509.ParsePKCS1PublicKey(raw)
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
		id:      catalog.DKIMMatch,
		subject: subjectOf(name),
		want:    "proves what the private key signs",
		ref:     "RFC 6376 section 6.1.3",
		name:    name,
		rrtype:  "TXT",
		judge: func(a resolver.Answer) verdict {
			texts := a.Texts()
			if len(texts) != 1 {
				return fail(fmt.Sprintf("%d records", len(texts)), "see dkim.record")
			}

			if err := s.Proves(texts[0]); err != nil {
				why, _, _ := strings.Cut(err.Error(), ": asn1:") // how a parser sees it
				return fail("does not ("+why+")",
					"the record belongs to another key than the one here: let mailpub apply publish this one, or sign with the other")
			}

			return pass("a test message signed with the private key is proved")
		},
	}

	if s.Proves == nil {
		e.skip(r.id, r.subject, "the private key is not here",
			"run verify where the key file is, or make it with mailpub dkim --make")
		return
	}

	e.checkRule(r)
}

package mail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// signatures are the public halves of the keys that the domain's mail is signed with.
func (d Domain) signatures() (rs []record) {
	for _, k := range d.DKIM {
		r := record{
			name:   k.Selector + "._domainkey." + d.Name,
			rrtype: "TXT",
			stage:  plan.StageRecord,
			hold:   k.Missing,
			ttl:    k.TTL,
			reason: "receivers check the signature of the domain's mail by this key (RFC 6376)",
		}

		text := k.Text
		switch {
		case text != "":
		case k.Missing != "":
			text = "v=DKIM1; p=(no key yet)"
		default:
			text = "v=DKIM1; p=(made by mailpub apply)"
			r.reason = "apply makes the key, and publishes its public half: " + r.reason
		}

		r.data = []string{TextData(text)}
		rs = append(rs, r)
	}

	return rs
}

// RecordKey is the key of the record that a DKIM key of a domain is published with.
func (k DKIM) RecordKey(domain string) plan.Key {
	return DNSKey(k.Selector+"._domainkey."+domain, "TXT")
}

// keyRecords are the TLSA records of the mail host: usage 3 (this very key, whoever signed
// it), selector 1 (the key alone, so that a renewed certificate changes nothing), matching
// type 1 (SHA-256), as RFC 7672 section 3.1.1 recommends.
func (s Spec) keyRecords() (rs []record) {
	for _, port := range s.DANE.Ports {
		r := record{
			name:   fmt.Sprintf("_%d._tcp.%s", port, s.Host),
			rrtype: "TLSA",
			stage:  plan.StageRecord,
			hold:   s.DANE.Missing,
			ttl:    s.DANE.TTL,
			reason: "senders that heed DANE deliver only to the holder of this key (RFC 7672)",
		}

		for _, digest := range s.DANE.Digests {
			if data := "3 1 1 " + strings.ToLower(digest); !slices.Contains(r.data, data) {
				r.data = append(r.data, data)
			}
		}

		if r.data == nil {
			r.data = []string{"3 1 1 (not known)"}
		}

		rs = append(rs, r)
	}

	return rs
}

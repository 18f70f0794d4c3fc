package providers

import (
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/mail"
)

// spelling is how an interface writes the data of a record where it differs from a zone
// file.
type spelling struct {
	priority bool // of MX and SRV apart from the rest
	undotted bool // names without their final dot
	bare     bool // text as it is, without quotes and escapes, in one piece
}

// spell returns the data as the interface writes it.
func (s spelling) spell(r record) (data string, priority int, err error) {
	if r.rrtype == "TXT" {
		text, err := mail.Text(r.data)
		if !s.bare {
			text = quoted(text)
		}
		return text, 0, err
	}
	data = r.data
	if s.priority && (r.rrtype == "MX" || r.rrtype == "SRV") {
		first, rest, _ := strings.Cut(data, " ")
		if priority, err = strconv.Atoi(first); err != nil {
			return "", 0, err
		}
		data = rest
	}
	if s.undotted && endsInName(r.rrtype) {
		data = onLast(data, undotted)
	}
	return data, priority, nil
}

// record returns the record that the interface listed.
func (s spelling) record(set rrset, ttl, priority int, data string) record {
	if set.rrtype == "TXT" {
		if !s.bare {
			data = anyText(data)
		}
		return record{rrset: set, ttl: ttl, data: mail.TextData(data)}
	}
	if s.undotted && endsInName(set.rrtype) {
		data = onLast(data, mail.FQDN)
	}
	if s.priority && (set.rrtype == "MX" || set.rrtype == "SRV") {
		data = strconv.Itoa(priority) + " " + data
	}
	return parseRecord(set, ttl, data)
}

// endsInName reports whether the last field of a type's data is a domain name.
func endsInName(rrtype string) bool {
	switch rrtype {
	case "CNAME", "DNAME", "MX", "NS", "PTR", "SRV":
		return true
	}
	return false
}

func onLast(data string, f func(string) string) string {
	head, last, ok := cutLast(data, " ")
	if !ok {
		return f(data)
	}
	return head + " " + f(last)
}

// undotted drops the final dot, but keeps the root, the target of a null MX (RFC 7505
// section 3).
func undotted(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// quoted returns text as quoted strings of at most 255 octets.
func quoted(text string) string { return `"` + strings.Join(textStrings(text), `" "`) + `"` }

// anyText returns the text of what an interface listed: one or more quoted strings, or
// the bare text.
func anyText(content string) string {
	if strings.HasPrefix(content, `"`) {
		if rr, err := dns.NewRR(". TXT " + content); err == nil && rr != nil {
			return unescape(strings.Join(rr.(*dns.TXT).Txt, ""))
		}
	}
	return content
}

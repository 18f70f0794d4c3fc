package record

import (
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/mail"
)

// Spelling is how an interface writes the data of a record where it differs from a zone
// file.
type Spelling struct {
	Priority bool // of MX and SRV apart from the rest
	Undotted bool // names without their final dot
	Bare     bool // text as it is, without quotes and escapes, in one piece
}

// Spell returns the data as the interface writes it.
func (s Spelling) Spell(r Record) (data string, priority int, err error) {
	if r.Type == "TXT" {
		text, err := mail.Text(r.Data)
		if !s.Bare {
			text = Quoted(text)
		}
		return text, 0, err
	}

	data = r.Data
	if s.Priority && (r.Type == "MX" || r.Type == "SRV") {
		first, rest, _ := strings.Cut(data, " ")
		if priority, err = strconv.Atoi(first); err != nil {
			return "", 0, err
		}
		data = rest
	}

	if s.Undotted && endsInName(r.Type) {
		data = editLast(data, Undotted)
	}

	return data, priority, nil
}

// Record returns the record that the interface listed.
func (s Spelling) Record(set RRset, ttl, priority int, data string) Record {
	if set.Type == "TXT" {
		if !s.Bare {
			data = AnyText(data)
		}
		return Record{RRset: set, TTL: ttl, Data: mail.TextData(data)}
	}

	if s.Undotted && endsInName(set.Type) {
		data = editLast(data, mail.FQDN)
	}

	if s.Priority && (set.Type == "MX" || set.Type == "SRV") {
		data = strconv.Itoa(priority) + " " + data
	}

	return Parse(set, ttl, data)
}

// endsInName reports whether the last field of a type's data is a domain name.
func endsInName(rrtype string) bool {
	switch rrtype {
	case "CNAME", "DNAME", "MX", "NS", "PTR", "SRV":
		return true
	}
	return false
}

func editLast(data string, f func(string) string) string {
	head, last, ok := CutLast(data, " ")
	if !ok {
		return f(data)
	}
	return head + " " + f(last)
}

// Undotted drops the final dot, but keeps the root, the target of a null MX (RFC 7505
// section 3).
func Undotted(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// Quoted returns text as quoted strings of at most 255 octets.
func Quoted(text string) string { return `"` + strings.Join(TextStrings(text), `" "`) + `"` }

// AnyText returns the text of what an interface listed: one or more quoted strings, or
// the bare text.
func AnyText(content string) string {
	if strings.HasPrefix(content, `"`) {
		if rr, err := dns.NewRR(". TXT " + content); err == nil && rr != nil {
			return Unescape(strings.Join(rr.(*dns.TXT).Txt, ""))
		}
	}
	return content
}

package mail

import (
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// The canonical text of DNS
//
// A key of kind "dns" is an owner name, lower case with its final dot, and a type:
// "nomeazienda.it. MX". Where strangers share an RRset, a third word narrows it to
// the one TXT record that begins with it: "nomeazienda.it. TXT v=spf1".
//
// A line is one record's data, in presentation format (RFC 1035 section 5.1) with
// absolute lower-case names, then its TTL in seconds:
//
//	2.2.2.2 ttl 3600
//	10 mail.nomeazienda.it. ttl 3600
//	"v=spf1 mx ip4:2.2.2.2 -all"
//
// The TTL is left out where it is not mailpub's to decide: on narrowed keys, whose
// RRset belongs to others too, and on records that a person enters by hand. Lines are
// sorted. Text data is one quoted string however it is split on the wire.

// DNSKey returns the key of an RRset. The name may lack its final dot.
func DNSKey(name, rrtype string) plan.Key {
	return plan.Key{Kind: "dns", Name: FQDN(name) + " " + rrtype}
}

// TaggedTXT returns the key of the TXT record at name that begins with tag.
func TaggedTXT(name, tag string) plan.Key {
	return plan.Key{Kind: "dns", Name: FQDN(name) + " TXT " + tag}
}

// SplitDNSKey returns the parts of a dns key: owner name, type and, on a narrowed
// key, the tag. It fails on a key of another form.
func SplitDNSKey(k plan.Key) (name, rrtype, tag string, err error) {
	f := strings.SplitN(k.Name, " ", 3)
	if k.Kind != "dns" || len(f) < 2 || !strings.HasSuffix(f[0], ".") {
		return "", "", "", fmt.Errorf("%q is no dns key: want an absolute name and a type", k)
	}

	if len(f) == 3 {
		tag = f[2]
	}

	return f[0], f[1], tag, nil
}

// FQDN returns name in lower case with one final dot.
func FQDN(name string) string {
	if !strings.HasSuffix(name, ".") {
		name += "."
	}
	return strings.ToLower(name)
}

// Within reports whether name is the zone's apex or below it, by whole labels.
func Within(name, zone string) bool {
	name = FQDN(name)
	zone = FQDN(zone)
	below, ok := strings.CutSuffix(name, zone)
	return zone == "." || ok && (below == "" || below[len(below)-1] == '.')
}

// Enclosing returns name and every name above it, absolute, the root last.
func Enclosing(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for n := FQDN(name); n != "." && n != ""; _, n, _ = strings.Cut(n, ".") {
			if !yield(n) {
				return
			}
		}
		yield(".")
	}
}

// RecordLine returns the line of one record: its data and, unless ttl is negative,
// its TTL in seconds.
func RecordLine(data string, ttl int) string {
	if ttl < 0 {
		return data
	}
	return data + " ttl " + strconv.Itoa(ttl)
}

// SplitRecordLine is the reverse of RecordLine; ttl is -1 where the line has none.
func SplitRecordLine(line string) (data string, ttl int) {
	data, after, found := cutLast(line, " ttl ")
	if !found {
		return line, -1
	}

	n, err := strconv.Atoi(after)
	if err != nil || n < 0 {
		return line, -1
	}

	return data, n
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// AddressData returns the data of an A or AAAA record.
func AddressData(a netip.Addr) string { return a.Unmap().String() }

// AddressType returns "A" or "AAAA".
func AddressType(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "A"
	}
	return "AAAA"
}

// MXData returns the data of an MX record.
func MXData(preference uint16, host string) string {
	return strconv.Itoa(int(preference)) + " " + FQDN(host)
}

// TextData returns text as one quoted string: quote and backslash escaped, octets
// outside printable ASCII as \DDD (RFC 1035 section 5.1).
func TextData(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}

	b.WriteByte('"')
	return b.String()
}

// Text is the reverse of TextData. It fails on anything that TextData can't have made.
func Text(data string) (string, error) {
	bad := fmt.Errorf("%q is not one quoted string", data)
	if len(data) < 2 || data[0] != '"' || data[len(data)-1] != '"' {
		return "", bad
	}

	in := data[1 : len(data)-1]
	var b strings.Builder
	for i := 0; i < len(in); i++ {
		c := in[i]
		switch {
		case c == '"':
			return "", bad
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(in) && (in[i+1] == '"' || in[i+1] == '\\'):
			i++
			b.WriteByte(in[i])
		case i+3 < len(in):
			n, err := strconv.ParseUint(in[i+1:i+4], 10, 8)
			if err != nil {
				return "", bad
			}
			b.WriteByte(byte(n))
			i += 3
		default:
			return "", bad
		}
	}

	return b.String(), nil
}

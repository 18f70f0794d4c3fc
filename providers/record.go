package providers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/mail"
)

// rrset names an RRset: a canonical owner name and a type.
type rrset struct{ name, rrtype string }

func (s rrset) String() string { return s.name + " " + s.rrtype }

// record is one DNS record in canonical form (see package plan for the text).
type record struct {
	rrset
	data string
	ttl  int    // seconds; -1 where it is not to be shown
	note string // what else the provider says about it: "proxied"
	bad  error  // why data is not canonical; such a record is carried along, never written

	id     string // of the record at the provider, where it has one
	wire   dns.RR // as the server holds it, to the octet; nil where that is not known
	listed any    // as the provider's client listed it, nil for a new one
}

// line is the record's canonical text. A note makes it differ from any wanted text.
func (r record) line() string {
	l := mail.RecordLine(r.data, r.ttl)
	if r.note != "" {
		l += " " + r.note
	}
	return l
}

// sameData reports whether two records differ in nothing but TTL and note.
func (r record) sameData(o record) bool { return r.rrset == o.rrset && r.data == o.data }

func lines(rs []record) []string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = r.line()
	}
	slices.Sort(out)
	return out
}

// parseLine is the reverse of line. ttl is used where the line has none. The data must
// be canonical already, so that what is read back can be compared with it.
func parseLine(set rrset, line string, ttl int) (record, error) {
	r := record{rrset: set, ttl: ttl}
	text, note := line, ""
	if head, last, ok := cutLast(line, " "); ok && isNote(last) {
		if _, ttl := mail.SplitRecordLine(head); ttl >= 0 {
			text, note = head, last
		}
	}
	data, own := mail.SplitRecordLine(text)
	if own >= 0 {
		r.ttl = own
	}
	r.data, r.note = data, note
	rr, err := r.rr()
	if err != nil {
		return r, fmt.Errorf("%s: %w", set, err)
	}
	if want := canonicalData(rr); want != data {
		return r, fmt.Errorf("%s: %q is not canonical, want %q", set, data, want)
	}
	return r, nil
}

// isNote reports whether the last word of a line can be a note: a word of small letters, which no
// data with a TTL behind it ends in.
func isNote(word string) bool {
	return word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") == ""
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// rr returns the record as it goes on the wire. Text is cut into strings of at most
// 255 octets (RFC 1035 section 3.3).
func (r record) rr() (dns.RR, error) {
	ttl := uint32(max(r.ttl, 0))
	if r.rrtype == "TXT" {
		text, err := mail.Text(r.data)
		if err != nil {
			return nil, err
		}
		h := dns.RR_Header{Name: r.name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: ttl}
		return &dns.TXT{Hdr: h, Txt: textStrings(text)}, nil
	}
	if _, ok := dns.StringToType[r.rrtype]; !ok {
		return nil, fmt.Errorf("%q is no record type", r.rrtype)
	}
	if r.data == "" || strings.ContainsAny(r.data, "\r\n") {
		return nil, fmt.Errorf("%q is no data of a %s record", r.data, r.rrtype)
	}
	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", r.name, ttl, r.rrtype, r.data))
	if err != nil || rr == nil {
		return nil, fmt.Errorf("%q is no data of a %s record", r.data, r.rrtype)
	}
	if rr, err = overWire(rr); err != nil {
		return nil, fmt.Errorf("%q is no data of a %s record: %w", r.data, r.rrtype, err)
	}
	return rr, nil
}

// overWire packs and unpacks, which fails on what can't be sent and leaves one spelling
// of each octet.
func overWire(rr dns.RR) (dns.RR, error) {
	buf := make([]byte, dns.Len(rr)+1)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return nil, err
	}
	rr, _, err = dns.UnpackRR(buf[:n], 0)
	return rr, err
}

// textStrings cuts text into the strings of a TXT record, escaped the way miekg/dns
// keeps them. There is always one, if only an empty one.
func textStrings(text string) []string {
	var out []string
	for {
		n := min(len(text), 255)
		quoted := mail.TextData(text[:n])
		out = append(out, quoted[1:len(quoted)-1])
		if text = text[n:]; text == "" {
			return out
		}
	}
}

// fromRR returns the record of rr in canonical form.
func fromRR(rr dns.RR) record {
	h := rr.Header()
	return record{
		rrset: rrset{mail.FQDN(h.Name), dns.TypeToString[h.Rrtype]},
		data:  canonicalData(rr),
		ttl:   int(h.Ttl),
		wire:  rr,
	}
}

// canonicalData returns the data of rr in presentation format: names in lower case,
// text as one quoted string, service parameters in the order of their keys.
func canonicalData(rr dns.RR) string {
	switch t := rr.(type) {
	case *dns.TXT:
		return mail.TextData(unescape(strings.Join(t.Txt, "")))
	case *dns.RFC3597:
		return fmt.Sprintf(`\# %d %s`, len(t.Rdata)/2, strings.ToLower(t.Rdata))
	}
	rr = dns.Copy(rr)
	switch t := rr.(type) {
	case *dns.MX:
		lower(&t.Mx)
	case *dns.NS:
		lower(&t.Ns)
	case *dns.CNAME:
		lower(&t.Target)
	case *dns.DNAME:
		lower(&t.Target)
	case *dns.PTR:
		lower(&t.Ptr)
	case *dns.SRV:
		lower(&t.Target)
	case *dns.SOA:
		lower(&t.Ns, &t.Mbox)
	case *dns.NAPTR:
		lower(&t.Replacement)
	case *dns.CAA:
		lower(&t.Tag) // RFC 8659 section 4.1
	case *dns.TLSA:
		lower(&t.Certificate)
	case *dns.SMIMEA:
		lower(&t.Certificate)
	case *dns.HTTPS:
		canonicalService(&t.SVCB)
	case *dns.SVCB:
		canonicalService(t)
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}

func lower(names ...*string) {
	for _, n := range names {
		*n = strings.ToLower(*n)
	}
}

func canonicalService(s *dns.SVCB) {
	lower(&s.Target)
	slices.SortFunc(s.Value, func(a, b dns.SVCBKeyValue) int { return int(a.Key()) - int(b.Key()) })
}

// unescape undoes the escapes of RFC 1035 section 5.1: \DDD for an octet, a backslash
// before any other character for that character.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i+2 < len(s) && digit(s[i]) && digit(s[i+1]) && digit(s[i+2]) {
			if n := int(s[i]-'0')*100 + int(s[i+1]-'0')*10 + int(s[i+2]-'0'); n < 256 {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// parseRecord returns the record of data in presentation format, marked where it is none.
func parseRecord(set rrset, ttl int, text string) record {
	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", set.name, ttl, set.rrtype, text))
	if err == nil && rr != nil {
		if rr, err = overWire(rr); err == nil {
			return fromRR(rr)
		}
	}
	return record{rrset: set, data: text, ttl: ttl, bad: fmt.Errorf("%q is no data of a %s record", text, set.rrtype)}
}

func holdsData(rs []record, r record) bool {
	for _, o := range rs {
		if o.sameData(r) {
			return true
		}
	}
	return false
}

func fromRRs(rrs []dns.RR) []record {
	out := make([]record, len(rrs))
	for i, rr := range rrs {
		out[i] = fromRR(rr)
	}
	return out
}

// pick returns the records of an RRset, leaving out what a CNAME led to.
func pick(rrs []dns.RR, set rrset) (out []dns.RR) {
	for _, rr := range rrs {
		if h := rr.Header(); mail.FQDN(h.Name) == set.name && h.Rrtype == dns.StringToType[set.rrtype] {
			out = append(out, rr)
		}
	}
	return out
}

// seconds is the TTL of a number of seconds.
func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// dataOf returns the data of record lines, sorted.
func dataOf(lines []string) (data []string) {
	for _, l := range lines {
		d, _ := mail.SplitRecordLine(l)
		data = append(data, d)
	}
	return slices.Sorted(slices.Values(data))
}

package record

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/mail"
)

// RRset names an RRset: a canonical owner name and a type.
type RRset struct{ Name, Type string }

func (s RRset) String() string { return s.Name + " " + s.Type }

// Record is one DNS record in canonical form (see package plan for the text).
type Record struct {
	RRset
	Data string
	TTL  int    // seconds; -1 where it is not to be shown
	Note string // what else the provider says about it: "proxied"
	Bad  error  // why data is not canonical; such a record is carried along, never written

	ID     string // of the record at the provider, where it has one
	Wire   dns.RR // as the server holds it, to the octet; nil where that is not known
	Listed any    // as the provider's client listed it, nil for a new one
}

// Line is the record's canonical text. A note makes it differ from any wanted text.
func (r Record) Line() string {
	l := mail.RecordLine(r.Data, r.TTL)
	if r.Note != "" {
		l += " " + r.Note
	}
	return l
}

// SameData reports whether two records differ in nothing but TTL and note.
func (r Record) SameData(o Record) bool { return r.RRset == o.RRset && r.Data == o.Data }

func Lines(rs []Record) []string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = r.Line()
	}
	slices.Sort(out)
	return out
}

// ParseLine is the reverse of line. ttl is used where the line has none. The data must
// be canonical already, so that what is read back can be compared with it.
func ParseLine(set RRset, line string, ttl int) (Record, error) {
	r := Record{RRset: set, TTL: ttl}
	text, note := line, ""
	if head, last, ok := CutLast(line, " "); ok && isNote(last) {
		if _, ttl := mail.SplitRecordLine(head); ttl >= 0 {
			text, note = head, last
		}
	}

	data, own := mail.SplitRecordLine(text)
	if own >= 0 {
		r.TTL = own
	}

	r.Data = data
	r.Note = note
	rr, err := r.RR()
	if err != nil {
		return r, fmt.Errorf("%s: %w", set, err)
	}
	if want := CanonicalData(rr); want != data {
		return r, fmt.Errorf("%s: %q is not canonical, want %q", set, data, want)
	}

	return r, nil
}

// isNote reports whether the last word of a line can be a note: a word of small letters, which no
// data with a TTL behind it ends in.
func isNote(word string) bool {
	return word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") == ""
}

func CutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// RR returns the record as it goes on the wire. Text is cut into strings of at most
// 255 octets (RFC 1035 section 3.3).
func (r Record) RR() (dns.RR, error) {
	ttl := uint32(max(r.TTL, 0))
	if r.Type == "TXT" {
		text, err := mail.Text(r.Data)
		if err != nil {
			return nil, err
		}

		h := dns.RR_Header{
			Name:   r.Name,
			Rrtype: dns.TypeTXT,
			Class:  dns.ClassINET,
			Ttl:    ttl,
		}

		return &dns.TXT{Hdr: h, Txt: TextStrings(text)}, nil
	}

	if _, ok := dns.StringToType[r.Type]; !ok {
		return nil, fmt.Errorf("%q is no record type", r.Type)
	}
	if r.Data == "" || strings.ContainsAny(r.Data, "\r\n") {
		return nil, fmt.Errorf("%q is no data of a %s record", r.Data, r.Type)
	}

	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", r.Name, ttl, r.Type, r.Data))
	if err != nil || rr == nil {
		return nil, fmt.Errorf("%q is no data of a %s record", r.Data, r.Type)
	}
	if rr, err = viaWire(rr); err != nil {
		return nil, fmt.Errorf("%q is no data of a %s record: %w", r.Data, r.Type, err)
	}

	return rr, nil
}

// viaWire packs and unpacks, which fails on what can't be sent and leaves one spelling
// of each octet.
func viaWire(rr dns.RR) (dns.RR, error) {
	buf := make([]byte, dns.Len(rr)+1)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return nil, err
	}
	rr, _, err = dns.UnpackRR(buf[:n], 0)
	return rr, err
}

// TextStrings cuts text into the strings of a TXT record, escaped the way miekg/dns
// keeps them. There is always one, if only an empty one.
func TextStrings(text string) []string {
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

// FromRR returns the record of rr in canonical form.
func FromRR(rr dns.RR) Record {
	h := rr.Header()
	return Record{
		RRset: RRset{mail.FQDN(h.Name), dns.TypeToString[h.Rrtype]},
		Data:  CanonicalData(rr),
		TTL:   int(h.Ttl),
		Wire:  rr,
	}
}

// CanonicalData returns the data of rr in presentation format: names in lower case,
// text as one quoted string, service parameters in the order of their keys.
func CanonicalData(rr dns.RR) string {
	switch t := rr.(type) {
	case *dns.TXT:
		return mail.TextData(Unescape(strings.Join(t.Txt, "")))
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
	slices.SortFunc(s.Value, func(a, b dns.SVCBKeyValue) int {
		return int(a.Key()) - int(b.Key())
	})
}

// Unescape undoes the escapes of RFC 1035 section 5.1: \DDD for an octet, a backslash
// before any other character for that character.
func Unescape(s string) string {
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

// Parse returns the record of data in presentation format, marked where it is none.
func Parse(set RRset, ttl int, text string) Record {
	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", set.Name, ttl, set.Type, text))
	if err == nil && rr != nil {
		if rr, err = viaWire(rr); err == nil {
			return FromRR(rr)
		}
	}

	return Record{
		RRset: set,
		Data:  text,
		TTL:   ttl,
		Bad:   fmt.Errorf("%q is no data of a %s record", text, set.Type),
	}
}

func HoldsData(rs []Record, r Record) bool {
	for _, o := range rs {
		if o.SameData(r) {
			return true
		}
	}
	return false
}

func FromRRs(rrs []dns.RR) []Record {
	out := make([]Record, len(rrs))
	for i, rr := range rrs {
		out[i] = FromRR(rr)
	}
	return out
}

// Pick returns the records of an RRset, leaving out what a CNAME led to.
func Pick(rrs []dns.RR, set RRset) (out []dns.RR) {
	for _, rr := range rrs {
		if h := rr.Header(); mail.FQDN(h.Name) == set.Name &&
			h.Rrtype == dns.StringToType[set.Type] {
			out = append(out, rr)
		}
	}
	return out
}

// Seconds is the TTL of a number of seconds.
func Seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// DataOf returns the data of record lines, sorted.
func DataOf(lines []string) (data []string) {
	for _, l := range lines {
		d, _ := mail.SplitRecordLine(l)
		data = append(data, d)
	}
	return slices.Sorted(slices.Values(data))
}

package record

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/mail"
)

func TestCanonicalData(t *testing.T) {
	tests := []struct{ rrtype, in, want string }{
		{"A", "192.0.2.1", "192.0.2.1"},
		{"AAAA", "2001:0DB8:0:0::1", "2001:db8::1"},
		{"MX", "10   Mail.NomeAzienda.IT.", "10 mail.nomeazienda.it."},
		{"MX", "0 .", "0 ."},
		{"CNAME", "WWW.example.", "www.example."},
		{"PTR", "Mail.Example.", "mail.example."},
		{"SRV", "0 1 143 IMAP.example.", "0 1 143 imap.example."},
		{"CAA", `0 Issue "LetsEncrypt.org"`, `0 issue "LetsEncrypt.org"`},
		{"TLSA", "3 1 1 ABCDEF", "3 1 1 abcdef"},
		{"HTTPS", `1 . port=443 alpn="h3,h2"`, `1 . alpn="h3,h2" port="443"`},
		{"TXT", `"a" "b"`, `"ab"`},
		{"TXT", `plain`, `"plain"`},
		{"TXT", `"q\"b\\ \195\168"`, `"q\"b\\ \195\168"`},
		{"TXT", `""`, `""`},
		{"TYPE65534", `\# 3 ABCDEF`, `\# 3 abcdef`},
	}

	for _, test := range tests {
		rr, err := dns.NewRR("x. 60 IN " + test.rrtype + " " + test.in)
		if err != nil {
			t.Errorf("%s %s: %v", test.rrtype, test.in, err)
			continue
		}

		if got := CanonicalData(rr); got != test.want {
			t.Errorf("%s %s is %s, want %s", test.rrtype, test.in, got, test.want)
		}
	}
}

func TestParseLine(t *testing.T) {
	tests := []struct {
		rrtype, line, err string
		ttl               int
		note              string
	}{
		{rrtype: "A", line: "2.2.2.2 ttl 300", ttl: 300},
		{rrtype: "A", line: "2.2.2.2", ttl: 7},
		{rrtype: "A", line: "2.2.2.2 ttl 1 proxied", ttl: 1, note: "proxied"},
		{rrtype: "TXT", line: `"x ttl 5 proxied"`, ttl: 7},
		{rrtype: "TXT", line: `"x" ttl 5`, ttl: 5},
		{rrtype: "A", line: "2.2.2.2.2 ttl 300", err: `"2.2.2.2.2" is no data of a A record`},
		{rrtype: "A", line: "", err: "is no data"},
		{rrtype: "A", line: "2.2.2.2\n@ IN NS evil. ttl 300", err: "is no data"},
		{rrtype: "A", line: "2.2.2.2 ; note ttl 300", err: "is not canonical"},
		{rrtype: "MX", line: "10 Mail.example. ttl 300", err: `is not canonical, want "10 mail.example."`},
		{rrtype: "TXT", line: `"a" "b" ttl 300`, err: "is not one quoted string"},
		{rrtype: "NOTYPE", line: "x ttl 300", err: `"NOTYPE" is no record type`},
	}

	for _, test := range tests {
		r, err := ParseLine(RRset{"x.", test.rrtype}, test.line, 7)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s %q: %v, want %s", test.rrtype, test.line, err, test.err)
			}
			continue
		}

		if err != nil || r.TTL != test.ttl || r.Note != test.note {
			t.Errorf("%s %q: %+v, %v", test.rrtype, test.line, r, err)
		}
	}
}

func TestRelative(t *testing.T) {
	tests := []struct{ name, zone, want string }{
		{"example.com.", "example.com", "@"},
		{"WWW.example.com", "example.com.", "www"},
		{"a.b.example.com.", "example.com.", "a.b"},
		{"badexample.com.", "example.com.", ""}, // not "bad"
		{"com.", "example.com.", ""},
		{"example.", ".", "example"},
	}

	for _, test := range tests {
		got, err := Relative(test.name, test.zone)
		if got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%s in %s: %q %v", test.name, test.zone, got, err)
		}
	}
}

// Text comes back as it went, however it is cut and escaped on the way.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "v=spf1 -all", `quote " and \ and \000`, "tab\tnul\x00 è",
		strings.Repeat(`\"é`, 300)} {
		f.Add(s)
	}

	f.Fuzz(func(t *testing.T, text string) {
		r := Record{RRset: RRset{"x.", "TXT"}, Data: mail.TextData(text), TTL: 60}
		rr, err := r.RR()
		if err != nil {
			t.Fatal(err)
		}

		for _, s := range rr.(*dns.TXT).Txt {
			if len(Unescape(s)) > 255 {
				t.Errorf("a string of %d octets", len(Unescape(s)))
			}
		}

		sent, err := viaWire(rr)
		if err != nil {
			t.Skip(err) // longer than a message can be
		}

		if back := FromRR(sent); !back.SameData(r) || back.TTL != r.TTL {
			t.Errorf("%s came back as %s", r.Line(), back.Line())
		}
	})
}

// Canonical text is the same after another round.
func FuzzCanonical(f *testing.F) {
	f.Add("A", "192.0.2.1")
	f.Add("MX", "10 MAIL.example.")
	f.Add("TXT", `"a b" c \"d\" \200`)
	f.Add("CAA", `0 issue "a;b"`)
	f.Add("SRV", `1 2 3 a\.b.example.`)
	f.Add("HTTPS", `1 . port=443 alpn=h2`)
	f.Add("TLSA", "3 1 1 ABCD")
	f.Fuzz(func(t *testing.T, rrtype, data string) {
		switch rrtype {
		case "A", "AAAA", "MX", "TXT", "CAA", "SRV", "HTTPS", "TLSA", "PTR", "CNAME", "NS":
		default:
			t.Skip("not a type that mailpub writes")
		}

		rr, err := Record{RRset: RRset{"x.", rrtype}, Data: data, TTL: 60}.RR()
		if err != nil {
			t.Skip("no data of this type")
		}

		if caa, ok := rr.(*dns.CAA); ok && strings.Trim(strings.ToLower(caa.Tag),
			"abcdefghijklmnopqrstuvwxyz0123456789") != "" || ok && caa.Tag == "" {
			t.Skip("no tag of RFC 8659 section 4.1")
		}

		first := FromRR(rr)
		again, err := ParseLine(first.RRset, first.Line(), 60)
		if err != nil {
			t.Fatalf("%s: %v", first.Line(), err)
		}

		if !again.SameData(first) {
			t.Errorf("%s became %s", first.Line(), again.Line())
		}
	})
}

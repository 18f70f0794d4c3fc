package webapi

import (
	"strings"
	"testing"

	"github.com/libdns/libdns"

	"github.com/mailpub/mailpub/plan/mail"
)

func TestFromLibdns(t *testing.T) {
	tests := []struct {
		rec     libdns.Record
		escaped bool
		want    string
	}{
		{libdns.TXT{Name: "@", Text: `say "hi" \000 è`}, false, `example.com. TXT "say \"hi\" \\000 \195\168"`},
		{libdns.TXT{Name: "@", Text: `say \"hi\" \195\168`}, true, `example.com. TXT "say \"hi\" \195\168"`},
		{libdns.RR{Name: "Mail", Type: "mx", Data: "10 A.example."}, false, "mail.example.com. MX 10 a.example."},
		{libdns.RR{Name: "x.example.com.", Type: "A", Data: "192.0.2.1"}, false, "x.example.com. A 192.0.2.1"},
	}

	for _, test := range tests {
		r := fromLibdns(test.rec, "example.com", test.escaped)
		if got := r.RRset.String() + " " + r.Data; got != test.want || r.Bad != nil {
			t.Errorf("%#v is %s (%v), want %s", test.rec, got, r.Bad, test.want)
		}
	}

	if r := fromLibdns(libdns.RR{
		Name: "x",
		Type: "A",
		Data: "nonsense",
	}, "example.com", false); r.Bad == nil {
		t.Error("nonsense was understood")
	}
}

// Text comes through libdns as it went.
func FuzzLibdnsText(f *testing.F) {
	for _, s := range []string{"", "v=spf1 -all", `quote " and \ and \000`, "tab\tnul\x00 è",
		strings.Repeat(`\"é`, 300)} {
		f.Add(s)
	}

	f.Fuzz(func(t *testing.T, text string) {
		want := mail.TextData(text)
		if got := fromLibdns(libdns.TXT{Name: "x", Text: text}, ".", false).Data; got != want {
			t.Errorf("%s came through libdns as %s", want, got)
		}
	})
}

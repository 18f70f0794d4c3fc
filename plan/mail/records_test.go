package mail

import (
	"net/netip"
	"testing"

	"github.com/mailpub/mailpub/plan"
)

func TestTextData(t *testing.T) {
	for text, data := range map[string]string{
		"":                   `""`,
		"v=spf1 mx -all":     `"v=spf1 mx -all"`,
		`say "hi" \ bye`:     `"say \"hi\" \\ bye"`,
		"tab\tand \x7f":      `"tab\009and \127"`,
		"caffè":              `"caff\195\168"`,
		"semi;colon (paren)": `"semi;colon (paren)"`,
	} {
		if got := TextData(text); got != data {
			t.Errorf("TextData(%q) = %s, want %s", text, got, data)
		}
		if got, err := Text(data); err != nil || got != text {
			t.Errorf("Text(%s) = %q, %v, want %q", data, got, err, text)
		}
	}

	for _, bad := range []string{``, `"`, `x`, `"a"b"`, `"a\"`, `"\25"`, `"\999"`, `"\x41"`} {
		if got, err := Text(bad); err == nil {
			t.Errorf("Text(%s) = %q, want an error", bad, got)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("v=spf1 -all")
	f.Add("\"\\\x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		if back, err := Text(TextData(text)); err != nil || back != text {
			t.Errorf("%q came back as %q, %v", text, back, err)
		}

		if plain, err := Text(text); err == nil {
			if again, err := Text(TextData(plain)); err != nil || again != plain {
				t.Errorf("%q came back as %q, %v", plain, again, err)
			}
		}
	})
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		name, zone string
		want       bool
	}{
		{"example.com", "example.com.", true},
		{"MAIL.Example.com.", "example.COM", true},
		{"badexample.com.", "example.com.", false},
		{"com.", "example.com.", false},
		{"example.com.", ".", true},
	} {
		if got := Within(c.name, c.zone); got != c.want {
			t.Errorf("Within(%q, %q) = %v", c.name, c.zone, got)
		}
	}
}

func TestReverseName(t *testing.T) {
	for addr, want := range map[string]string{
		"2.2.2.2":          "2.2.2.2.in-addr.arpa.",
		"192.0.2.53":       "53.2.0.192.in-addr.arpa.",
		"::ffff:192.0.2.1": "1.2.0.192.in-addr.arpa.",
		"2001:db8::1":      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
	} {
		if got := ReverseName(netip.MustParseAddr(addr)); got != want {
			t.Errorf("ReverseName(%s) = %s, want %s", addr, got, want)
		}
	}
}

func TestKeysAndLines(t *testing.T) {
	k := TaggedTXT("Nomeazienda.it", "v=spf1")
	if k.String() != "dns nomeazienda.it. TXT v=spf1" {
		t.Errorf("tagged key is %q", k)
	}

	name, typ, tag, err := SplitDNSKey(k)
	if name != "nomeazienda.it." || typ != "TXT" || tag != "v=spf1" || err != nil {
		t.Errorf("SplitDNSKey(%q) = %q, %q, %q, %v", k, name, typ, tag, err)
	}

	for _, bad := range []plan.Key{{Kind: "forward", Name: "tcp/25"},
		{Kind: "dns", Name: "x."}, {Kind: "dns", Name: "x MX"}} {
		if _, _, _, err := SplitDNSKey(bad); err == nil {
			t.Errorf("SplitDNSKey(%q) did not fail", bad)
		}
	}

	for _, c := range []struct {
		data string
		ttl  int
		line string
	}{
		{"2.2.2.2", 3600, "2.2.2.2 ttl 3600"},
		{"2.2.2.2", -1, "2.2.2.2"},
		{`"a ttl b"`, -1, `"a ttl b"`},
		{`"a ttl 5"`, 60, `"a ttl 5" ttl 60`},
	} {
		if got := RecordLine(c.data, c.ttl); got != c.line {
			t.Errorf("RecordLine(%q, %d) = %q", c.data, c.ttl, got)
		}
		if data, ttl := SplitRecordLine(c.line); data != c.data || ttl != c.ttl {
			t.Errorf("SplitRecordLine(%q) = %q, %d", c.line, data, ttl)
		}
	}
}

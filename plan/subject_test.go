package plan

import (
	"encoding/json"
	"testing"
)

func TestSubject(t *testing.T) {
	for _, test := range []struct {
		subject Subject
		want    string
		back    bool // whether its fields come back from the words
	}{
		{About("the server's ports"), "the server's ports", true},
		{OfName("nomeazienda.it"), "nomeazienda.it", false},
		{Subject{Name: "nomeazienda.it", Type: "A"}, "nomeazienda.it A", false},
		{Subject{Name: "nomeazienda.it", Type: "MX", Host: "mail.nomeazienda.it."}, "nomeazienda.it MX mail.nomeazienda.it.", false},
		{OfKey(Key{"forward", "tcp/25"}), "tcp/25", false},
		{OfAddr("10.10.10.10:25"), "10.10.10.10:25", true},
		{OfAddr("2.2.2.2"), "2.2.2.2", false},
		{OfAddr("[2001:db8::25]:25"), "[2001:db8::25]:25", true},
		{OfAddr("2001:db8::25"), "2001:db8::25", false},
		{OfService("smtp", "10.10.10.10:25"), "smtp at 10.10.10.10:25", true},
		{OfService("smtp", "mail.nomeazienda.it:025"), "smtp at mail.nomeazienda.it:025", false},
		{OfService("smtp", ":25"), "smtp at :25", true},
		{Subject{Name: "nomeazienda.it", Text: "unknown sender at nomeazienda.it"}, "unknown sender at nomeazienda.it", false},
		{Subject{Addr: "10.10.10.10", Port: 25, Outside: true}, "10.10.10.10:25, from outside", true},
		{Subject{}, "", true},
	} {
		if got := test.subject.String(); got != test.want {
			t.Errorf("%#v is %q, want %q", test.subject, got, test.want)
		}

		data, err := json.Marshal(Check{Subject: test.subject})
		if err != nil {
			t.Fatal(err)
		}

		var c Check
		if err := json.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}

		if c.Subject.String() != test.want || (c.Subject == test.subject) != test.back {
			t.Errorf("%#v came back as %#v", test.subject, c.Subject)
		}
	}
}

// FuzzSubject: whatever words a document has, they stay the same.
func FuzzSubject(f *testing.F) {
	for _, text := range []string{"smtp at 10.10.10.10:25", " at :1",
		"a at b at c:2, from outside", "[::1]:25"} {
		f.Add(text)
	}

	f.Fuzz(func(t *testing.T, text string) {
		var s Subject
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if s.String() != text {
			t.Errorf("%q became %q, from %#v", text, s.String(), s)
		}
	})
}

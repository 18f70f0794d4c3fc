package providertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

func cases() []testCase {
	return []testCase{
		{"every kind is read as it was written, and taken away without a trace", testKinds},
		{"all kinds at once", testAllKinds},
		{"one of several values", testOneOfSeveral},
		{"another TTL", testTTL},
		{"an alias that moves", testAliasMoves},
		{"strangers in the same RRset stay", testSiblings},
		{"strangers at the same name stay", testNeighbours},
		{"capitals of strangers", testCapitals},
		{"a large zone", testLarge},
		{"a record that appears between reading and writing", testIntruder},
		{"a record that changes between reading and writing", testOvertaken},
		{"nothing beside an alias", testAlias},
		{"names outside the zone", testOutside},
		{"what the provider does not take is said before anything is written", testRefused},
	}
}

func testKinds(t *testing.T, h *Harness) {
	h.putTarget(t)
	before := h.Dump(t)
	for _, k := range h.kinds() {
		t.Run(k.name, func(t *testing.T) {
			must(t, h.Open(t), change(k.Key, nil, k.Lines))
			h.expect(t, k.Key, k.Lines)
			must(t, h.Open(t), change(k.Key, k.Lines, k.Lines)) // no perpetual difference
			h.expect(t, k.Key, k.Lines)
			must(t, h.Open(t), change(k.Key, k.Lines, nil))
			h.expect(t, k.Key, nil)
			h.unchanged(t, before)
		})
	}
}

func testAllKinds(t *testing.T, h *Harness) {
	h.putTarget(t)
	before := h.Dump(t)
	var there, gone []plan.Change
	var keys []plan.Key

	for _, k := range h.kinds() {
		there = append(there, change(k.Key, nil, k.Lines))
		gone = append(gone, change(k.Key, k.Lines, nil))
		keys = append(keys, k.Key)
	}

	must(t, h.Open(t), there...)
	got := h.read(t, keys...)
	for _, k := range h.kinds() {
		if !slices.Equal(got[k.Key], k.Lines) {
			t.Errorf("%s: %q, want %q", k.name, got[k.Key], k.Lines)
		}
	}

	slices.Reverse(gone)
	must(t, h.Open(t), gone...)
	h.unchanged(t, before)
}

func testOneOfSeveral(t *testing.T, h *Harness) {
	h.putTarget(t)
	for _, k := range h.kinds() {
		if len(k.Lines) < 2 {
			continue
		}

		t.Run(k.name, func(t *testing.T) {
			d := h.Open(t)
			must(t, d, change(k.Key, nil, k.Lines))
			for i := range k.Lines {
				rest := slices.Delete(slices.Clone(k.Lines), i, i+1)
				must(t, d, change(k.Key, k.Lines, rest))
				h.expect(t, k.Key, rest)
				must(t, d, change(k.Key, rest, k.Lines))
				h.expect(t, k.Key, k.Lines)
			}
		})
	}
}

func testTTL(t *testing.T, h *Harness) {
	h.putTarget(t)
	for _, k := range h.kinds() {
		if _, _, tag, _ := mail.SplitDNSKey(k.Key); tag != "" {
			continue
		}

		var other []string
		for _, l := range k.Lines {
			data, _ := mail.SplitRecordLine(l)
			other = append(other, mail.RecordLine(data, h.OtherTTL))
		}

		slices.Sort(other)
		t.Run(k.name, func(t *testing.T) {
			d := h.Open(t)
			must(t, d, change(k.Key, nil, k.Lines))
			must(t, d, change(k.Key, k.Lines, other))
			h.expect(t, k.Key, other)
		})
	}
}

func testAliasMoves(t *testing.T, h *Harness) {
	key := mail.DNSKey("alias.suite."+h.Zone, "CNAME")
	d := h.Open(t)
	first := h.lines("one.example.net.")
	second := h.lines("two.example.net.")
	must(t, d, change(key, nil, first))
	must(t, d, change(key, first, second))
	h.expect(t, key, second)
}

// Strangers' text beside our SPF: bare, with escapes, in another TTL, and almost SPF.
func testSiblings(t *testing.T, h *Harness) {
	strangers := []string{}
	for _, s := range []string{"google-site-verification=abc", "v=spf10 is none",
		"MS=ms1234; x", strings.Repeat("long ", 80)} {
		strangers = append(strangers, mail.RecordLine(mail.TextData(s), h.OtherTTL))
	}

	name := "suite." + h.Zone
	h.Put(t, Set{mail.DNSKey(name, "TXT"), strangers})
	before := h.Dump(t)
	key := mail.TaggedTXT(name, "v=spf1")
	first := []string{`"v=spf1 mx -all"`}
	second := []string{`"v=spf1 mx ip4:2.2.2.2 -all"`}

	for _, c := range []plan.Change{change(key, nil, first), change(key, first, second),
		change(key, second, nil)} {
		must(t, h.Open(t), c)
		h.expect(t, key, c.After)
		after := h.Dump(t)

		for _, l := range before {
			if !slices.Contains(after, l) {
				t.Errorf("%s: gone or changed: %s", c.Action, l)
			}
		}
	}

	h.unchanged(t, before)
}

func testNeighbours(t *testing.T, h *Harness) {
	name := "suite." + h.Zone
	h.Put(t, Set{mail.DNSKey(name, "TXT"), []string{mail.RecordLine(`"a stranger's"`,
		h.OtherTTL)}},
		Set{mail.DNSKey(name, "MX"), []string{mail.RecordLine("5 elsewhere.example.",
			h.OtherTTL)}},
		Set{mail.DNSKey("below."+name, "A"),
			[]string{mail.RecordLine("192.0.2.77", h.OtherTTL)}})

	before := h.Dump(t)
	key := mail.DNSKey(name, "A")
	for _, c := range []plan.Change{change(key, nil, h.lines("192.0.2.1")),
		change(key, h.lines("192.0.2.1"), h.lines("192.0.2.2")),
		change(key, h.lines("192.0.2.2"), nil)} {
		must(t, h.Open(t), c)
	}

	h.unchanged(t, before)
}

func testCapitals(t *testing.T, h *Harness) {
	lower := "suite." + h.Zone
	upper := "SUITE." + strings.ToUpper(h.Zone)
	h.Put(t, Set{plan.Key{
		Kind: "dns",
		Name: upper + " MX",
	}, []string{mail.RecordLine("10 MAIL.Example.NET.", h.TTL)}})

	key := mail.DNSKey(lower, "MX")
	was := h.lines("10 mail.example.net.")
	h.expect(t, key, was)
	must(t, h.Open(t), change(key, was, h.lines("20 mail.example.net.")))
	h.expect(t, key, h.lines("20 mail.example.net."))
	must(t, h.Open(t), change(key, h.lines("20 mail.example.net."), nil))
	h.expect(t, key, nil)
}

func testLarge(t *testing.T, h *Harness) {
	var sets []Set
	for i := range h.Large {
		sets = append(sets, Set{mail.DNSKey(fmt.Sprintf("h%04d.suite.%s", i, h.Zone), "A"),
			h.lines(fmt.Sprintf("192.0.2.%d", i%250+1))})
	}

	h.Put(t, sets...)
	before := h.Dump(t)
	last := sets[len(sets)-1]
	h.expect(t, last.Key, last.Lines)
	h.expect(t, sets[0].Key, sets[0].Lines)
	d := h.Open(t)
	must(t, d, change(last.Key, last.Lines, h.lines("198.51.100.1")))
	must(t, d, change(last.Key, h.lines("198.51.100.1"), last.Lines))
	h.unchanged(t, before)
}

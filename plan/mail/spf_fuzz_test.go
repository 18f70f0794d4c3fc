package mail

import (
	"slices"
	"strings"
	"testing"
)

// Whatever is in a record: merged once it is one record that holds what is wanted, and merging it again
// changes nothing. What others let send, still may.
func FuzzMergeSPF(f *testing.F) {
	for _, text := range []string{
		"v=spf1 mx ip4:2.2.2.2 -all", "v=spf1 include:x.example ?all",
		"V=SPF1  +A -ALL exp=Why.example", "v=spf1 -all include:old.example",
		"v=spf1 redirect=_spf.x.example", "v=spf1",
		"v=spf1 ip4:2.2.2.0/24 a:mail.nomeazienda.it", `v=spf1 exists:%{i}.x "quoted"`,
		"v=spf1 all all",
	} {
		f.Add(text, "v=spf1 mx ip4:2.2.2.1 -all", true)
	}

	wanted := []string{"mx", "ip4:2.2.2.2"}
	f.Fuzz(func(t *testing.T, text, last string, explicit bool) {
		if !strings.HasPrefix(strings.ToLower(text), "v=spf1") ||
			strings.ContainsAny(text, "\x00") {
			return
		}

		names := spfNames{record: "nomeazienda.it.", host: "mail.nomeazienda.it."}
		merge := spfMerge(names, wanted, "-all", explicit)
		got := merge([]string{TextData(text)}, []string{TextData(last)}, nil)

		if len(got) != 1 {
			t.Fatalf("%q makes %q", text, got)
		}

		is := readSPF(got, nil, wanted)
		if missing := is.missing(names, wanted); missing != nil {
			t.Fatalf("%q makes %q, which lacks %q", text, got, missing)
		}

		ours := spfTerms([]string{TextData(last)})
		for _, term := range readSPF([]string{TextData(text)}, nil, wanted).live {
			kept := slices.ContainsFunc(is.live, func(o spfTerm) bool {
				return o.canonical == term.canonical
			})
			if !kept && !slices.Contains(ours, term.canonical) {
				t.Fatalf("%q makes %q, which lacks %q", text, got, term.text)
			}
		}

		base := []string{spfData(append(slices.Clone(wanted), "-all"))}
		if again := merge(got, base, nil); !slices.Equal(got, again) {
			t.Fatalf("%q makes %q, and that %q", text, got, again)
		}
	})
}

package mail

import (
	"slices"
	"testing"
)

func TestMergeSPF(t *testing.T) {
	wanted := []string{"mx", "ip4:2.2.2.2"}
	q := func(texts ...string) (lines []string) {
		for _, text := range texts {
			lines = append(lines, TextData(text))
		}
		return lines
	}

	for _, c := range []struct {
		name           string
		observed, last []string
		prior          []string
		all            string
		explicit       bool
		want           string
	}{
		{name: "nothing there", want: "v=spf1 mx ip4:2.2.2.2 -all"},
		{name: "others' mechanisms stay", observed: q("v=spf1 include:_spf.example.net -all"),
			want: "v=spf1 mx ip4:2.2.2.2 include:_spf.example.net -all"},
		{name: "others' all stays", observed: q("v=spf1 a ~all"), want: "v=spf1 mx ip4:2.2.2.2 a ~all"},
		{name: "but not against the config", observed: q("v=spf1 a ~all"), explicit: true, want: "v=spf1 mx ip4:2.2.2.2 a -all"},
		{name: "all is there in another spelling and order", observed: q("V=SPF1 a +MX IP4:2.2.2.2/32 -ALL"),
			want: "V=SPF1 a +MX IP4:2.2.2.2/32 -ALL"},
		{name: "two records become one", observed: q("v=spf1 a -all", "v=spf1 include:x.example ~all"),
			want: "v=spf1 mx ip4:2.2.2.2 a include:x.example -all"},
		{name: "a redirect is not silenced", observed: q("v=spf1 redirect=_spf.example.net"),
			want: "v=spf1 mx ip4:2.2.2.2 redirect=_spf.example.net"},
		{name: "our old address goes", observed: q("v=spf1 mx ip4:2.2.2.1 include:x.example -all"),
			last: q("v=spf1 mx ip4:2.2.2.1 -all"), want: "v=spf1 ip4:2.2.2.2 mx include:x.example -all"},
		{name: "a record all our own is written afresh", observed: q("v=spf1 mx ip4:2.2.2.1 -all"),
			last: q("v=spf1 mx ip4:2.2.2.1 -all"), want: "v=spf1 mx ip4:2.2.2.2 -all"},
		{name: "what was there before us stays, though we wanted it too", observed: q("v=spf1 mx ip4:2.2.2.1 -all"),
			last: q("v=spf1 mx ip4:2.2.2.1 -all"), prior: q("v=spf1 ip4:2.2.2.1 -all"), want: "v=spf1 mx ip4:2.2.2.1 -all"},
		{name: "a stranger's address stays", observed: q("v=spf1 mx ip4:2.2.2.2 ip4:192.0.2.9 -all"),
			last: q("v=spf1 mx ip4:2.2.2.2 -all"), want: "v=spf1 mx ip4:2.2.2.2 ip4:192.0.2.9 -all"},
		{name: "our old all goes", observed: q("v=spf1 mx ip4:2.2.2.2 ~all"), last: q("v=spf1 mx ip4:2.2.2.2 ~all"),
			want: "v=spf1 mx ip4:2.2.2.2 -all"},
		{name: "a missing all is added", observed: q("v=spf1 mx ip4:2.2.2.2"), want: "v=spf1 mx ip4:2.2.2.2 -all"},
		{name: "another qualifier is another term", observed: q("v=spf1 ?mx -all"), want: "v=spf1 mx ip4:2.2.2.2 ?mx -all"},
		{name: "terms behind all stay dead", observed: q("v=spf1 ip4:192.0.2.9 -all include:old.example"),
			want: "v=spf1 mx ip4:2.2.2.2 ip4:192.0.2.9 -all include:old.example"},
		{name: "and are not moved where nothing is missing", observed: q("v=spf1 mx ip4:2.2.2.2 -all include:old.example"),
			want: "v=spf1 mx ip4:2.2.2.2 -all include:old.example"},
		{name: "a wanted term behind all does not count", observed: q("v=spf1 a -all mx ip4:2.2.2.2"),
			want: "v=spf1 mx ip4:2.2.2.2 a -all mx ip4:2.2.2.2"},
		{name: "an explanation stands where it likes", observed: q("v=spf1 mx ip4:2.2.2.2 -all exp=Why.example"),
			want: "v=spf1 mx ip4:2.2.2.2 -all exp=Why.example"},
		{name: "and keeps its case", observed: q("v=spf1 exp=Why.example a -all"),
			want: "v=spf1 mx ip4:2.2.2.2 a -all exp=Why.example"},
		{name: "others' terms keep their spelling", observed: q("v=spf1 A:Mail.Example -all"),
			want: "v=spf1 mx ip4:2.2.2.2 A:Mail.Example -all"},
		{name: "a network that holds the address will do", observed: q("v=spf1 ip4:2.2.2.0/24 a:mail.example -all"),
			want: "v=spf1 ip4:2.2.2.0/24 a:mail.example -all"},
		{name: "one that refuses it will not", observed: q("v=spf1 -ip4:2.2.2.0/24 ~all"),
			want: "v=spf1 mx ip4:2.2.2.2 -ip4:2.2.2.0/24 ~all"},
		{name: "the address alone lets the server send", observed: q("v=spf1 ip4:2.2.2.2 include:x.example -all"),
			want: "v=spf1 ip4:2.2.2.2 include:x.example -all"},
		{name: "the mail host's name lets it send", observed: q("v=spf1 include:x.example a:Mail.nomeazienda.it ~all"),
			want: "v=spf1 include:x.example a:Mail.nomeazienda.it ~all"},
		{name: "so does mx, where the host is one", observed: q("v=spf1 mx include:x.example ?all"), want: "v=spf1 mx include:x.example ?all"},
		{name: "not behind what may refuse it", observed: q("v=spf1 -ip4:2.2.2.0/24 mx ~all"), want: "v=spf1 ip4:2.2.2.2 -ip4:2.2.2.0/24 mx ~all"},
		{name: "as many terms of others as are wanted stay", observed: q("v=spf1 ip4:2.2.2.0/24 include:x.example ~all"), explicit: true,
			want: "v=spf1 ip4:2.2.2.0/24 include:x.example -all"},
		{name: "the domain's name is a name of the record", observed: q("v=spf1 mx:Nomeazienda.it. include:x.example -all"),
			want: "v=spf1 mx:Nomeazienda.it. include:x.example -all"},
		{name: "a full length says nothing", observed: q("v=spf1 a:mail.nomeazienda.it/32 include:x.example -all"),
			want: "v=spf1 a:mail.nomeazienda.it/32 include:x.example -all"},
		{name: "a shorter one lets others send", observed: q("v=spf1 mx:nomeazienda.it/24 -all"), want: "v=spf1 mx ip4:2.2.2.2 mx:nomeazienda.it/24 -all"},
		{name: "a network behind what refuses the address will not do", observed: q("v=spf1 -ip4:2.2.2.2 ip4:2.2.2.0/24 -all"),
			want: "v=spf1 mx ip4:2.2.2.2 -ip4:2.2.2.2 ip4:2.2.2.0/24 -all"},
		{name: "another host's name does not", observed: q("v=spf1 a:mail.example -all"), want: "v=spf1 mx ip4:2.2.2.2 a:mail.example -all"},
		{name: "our own record keeps its address", observed: q("v=spf1 mx ip4:2.2.2.2 include:x.example -all"), last: q("v=spf1 mx ip4:2.2.2.2 -all"),
			want: "v=spf1 mx ip4:2.2.2.2 include:x.example -all"},
		{name: "macros keep their case", observed: q("v=spf1 exists:%{S}.x.example -all"),
			want: "v=spf1 mx ip4:2.2.2.2 exists:%{S}.x.example -all"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := "-all"
			merge := spfMerge(spfNames{
				record: "nomeazienda.it.",
				host:   "mail.nomeazienda.it.",
			}, wanted, all, c.explicit)

			got := merge(c.observed, c.last, c.prior)

			if want := q(c.want); !slices.Equal(got, want) {
				t.Fatalf("got  %s\nwant %s", got, want)
			}

			base := []string{spfData(append(slices.Clone(wanted), all))}
			if again := merge(got, base, c.prior); !slices.Equal(got, again) {
				t.Errorf("a second merge is not the same: %s", again)
			}
		})
	}
}

// A domain's record that lets its server send by terms of others. Where one of those names the server itself (its
// address, a network around it, its host), that is what is wanted, in other words. An include or a redirect is a
// record of others, who may change it tomorrow: there the domain's own record says it as well, and they stay.
func TestPassesByOtherTerms(t *testing.T) {
	merge := spfMerge(spfNames{
		record: "nomeazienda.it.",
		host:   "mail.nomeazienda.it.",
	}, []string{"mx", "ip4:2.2.2.2"}, "-all", false)

	for there, want := range map[string]string{
		"v=spf1 ip4:2.2.2.0/24 -all":                      "",
		"v=spf1 a:mail.nomeazienda.it -all":               "",
		"v=spf1 include:_spf.hosting.example -all":        "v=spf1 mx ip4:2.2.2.2 include:_spf.hosting.example -all",
		"v=spf1 redirect=_spf.hosting.example":            "v=spf1 mx ip4:2.2.2.2 redirect=_spf.hosting.example",
		"v=spf1 a:mail.nomeazienda.it redirect=x.example": "",
		"v=spf1 exists:%{i}.spf.example -all":             "v=spf1 mx ip4:2.2.2.2 exists:%{i}.spf.example -all",
		"v=spf1 ptr -all":                                 "v=spf1 mx ip4:2.2.2.2 ptr -all",
		"v=spf1 +all":                                     "v=spf1 mx ip4:2.2.2.2 all",
	} {
		if want == "" {
			want = there
		}
		if got := merge([]string{TextData(there)}, nil, nil); !slices.Equal(got,
			[]string{TextData(want)}) {
			t.Errorf("%s becomes %s, want %s", there, got, want)
		}
	}

	host := spfMerge(spfNames{
		record: "mail.nomeazienda.it.",
		host:   "mail.nomeazienda.it.",
	}, []string{"a"}, "-all", true)

	for _, there := range []string{"v=spf1 a -all", "v=spf1 a:MAIL.nomeazienda.it. -all",
		"v=spf1 +a/32 -all"} {
		if got := host([]string{TextData(there)}, nil, nil); !slices.Equal(got,
			[]string{TextData(there)}) {
			t.Errorf("the host's %s becomes %s", there, got)
		}
	}
}

package site

import (
	"testing"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

func TestScope(t *testing.T) {
	zone := mail.ZoneTarget("nomeazienda.it")
	other := mail.ZoneTarget("altra.it")
	router := plan.Target{Kind: mail.TargetRouter}
	service := plan.Target{Kind: mail.TargetService}
	mx := plan.Change{Target: zone, Key: mail.DNSKey("nomeazienda.it", "MX")}
	spf := plan.Change{Target: zone, Key: mail.TaggedTXT("nomeazienda.it", "v=spf1")}
	smtp := plan.Change{Target: router, Key: plan.Key{Kind: forward.Kind, Name: "tcp/25"}}
	hostname := plan.Change{Target: service, Key: plan.Key{Kind: "service", Name: "hostname"}}
	elsewhere := plan.Change{Target: other, Key: mail.DNSKey("altra.it", "MX")}
	all := []plan.Change{mx, spf, smtp, hostname, elsewhere}

	for _, test := range []struct {
		name          string
		only, exclude []string
		want          []plan.Change
		asked         []plan.Target
	}{
		{"all", nil, nil, all, []plan.Target{zone, other, router, service}},
		{"DNS", []string{"dns"}, nil, []plan.Change{mx, spf, elsewhere}, []plan.Target{zone, other}},
		{"a zone", []string{"zone:NomeAzienda.it."}, nil, []plan.Change{mx, spf}, []plan.Target{zone}},
		{"all but a zone", nil, []string{"zone:altra.it"}, []plan.Change{mx, spf, smtp, hostname}, []plan.Target{zone, router, service}},
		{"a forward", []string{"tcp/25"}, nil, []plan.Change{smtp}, []plan.Target{router}},
		{"a record, in other letters", []string{"Nomeazienda.it MX"}, nil, []plan.Change{mx}, []plan.Target{zone, other, service}},
		{"a record with a tag", []string{"nomeazienda.it. TXT v=spf1"}, nil, []plan.Change{spf}, []plan.Target{zone, other, service}},
		{"a setting", []string{"hostname"}, nil, []plan.Change{hostname}, []plan.Target{service}},
		{"DNS but MX", []string{"dns"}, []string{"nomeazienda.it. MX"}, []plan.Change{spf, elsewhere}, []plan.Target{zone, other}},
		{"router and service", []string{"router", "service"}, nil, []plan.Change{smtp, hostname}, []plan.Target{router, service}},
	} {
		scope := Scope{Only: test.only, Exclude: test.exclude}
		for _, c := range all {
			want := false
			for _, w := range test.want {
				want = want || w.Key == c.Key
			}
			if got := scope.change(c); got != want {
				t.Errorf("%s: %s is in it: %v, want %v", test.name, c.Key, got, want)
			}
		}

		for _, target := range []plan.Target{zone, other, router, service} {
			want := false
			for _, w := range test.asked {
				want = want || w == target
			}
			if got := scope.target(target); got != want {
				t.Errorf("%s: %s is asked: %v, want %v", test.name, target, got, want)
			}
		}

		p := Plan{Plan: &plan.Plan{Changes: all}}
		if err := p.limitTo(scope, plan.NewLedger("office")); err != nil {
			t.Fatal(err)
		}

		if len(p.Changes) != len(test.want) {
			t.Errorf("%s: %d changes, want %d", test.name, len(p.Changes), len(test.want))
		}

		if back := ParseScope(p.Scope); len(back.Only) != len(test.only) ||
			len(back.Exclude) != len(test.exclude) {
			t.Errorf("%s: %q came back as %+v", test.name, p.Scope, back)
		}
	}
}

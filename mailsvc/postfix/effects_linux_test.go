package postfix

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// A smart host is found wherever it is set, and nothing is said where mail goes its own way.
func TestSmartHosts(t *testing.T) {
	spec := mail.Spec{
		Host:    "mail.nomeazienda.it.",
		Address: netip.MustParseAddr("10.10.10.10"),
		Domains: []mail.Domain{{Name: "nomeazienda.it.", MX: []mail.MX{{Host: "mail.nomeazienda.it.", Preference: 10}}}},
	}

	for _, c := range []struct{ setting, want string }{
		{"", ""},
		{"transport_maps=inline:{{nomeazienda.it=smtp:[10.10.10.99]}}", ""},
		{"transport_maps=inline:{{*=smtp:}}", ""},
		{"transport_maps=inline:{{*=smtp:[198.51.100.7]}}", "* goes to smtp:[198.51.100.7]"},
		{"transport_maps=regexp:{{/./ relay:[198.51.100.7]:587}}", "mailpub@relay-test.invalid goes to relay:[198.51.100.7]:587"},
		{"default_transport=smtp:[198.51.100.7]", "smtp:[198.51.100.7]"},
		{"relayhost=[198.51.100.7]", "[198.51.100.7]"},
		{"sender_dependent_relayhost_maps=inline:{{@nomeazienda.it=[198.51.100.7]}}", "@nomeazienda.it goes to [198.51.100.7]"},
		{"sender_dependent_default_transport_maps=inline:{{@nomeazienda.it=smtp:[198.51.100.7]}}", "@nomeazienda.it goes to smtp:[198.51.100.7]"},
	} {
		w := newWorld(t)
		if c.setting != "" {
			w.command(t, "postconf", "-c", w.Dir, "-e", c.setting)
			w.age()
		}

		settings, err := w.Inspect(t.Context(), spec.ServiceItems())
		if err != nil {
			t.Fatal(err)
		}

		var bad []string
		for _, s := range settings {
			if s.Need == mail.NeedDelivery && !s.Good {
				bad = append(bad, s.Got)
			}
		}

		if got := strings.Join(bad, "; "); got != c.want {
			t.Errorf("%s: %q, want %q", c.setting, got, c.want)
		}
	}
}

// The plan says where mail for names without a domain goes, and who loses or gains what, before
// anything is written.
func TestEffects(t *testing.T) {
	w := newWorld(t)
	write := func(name, text string) {
		w.write(t, name, text)
		w.command(t, "postmap", "-c", w.Dir, "hash:"+w.Dir+"/"+name)
	}

	write("virtual", "root@nomeazienda.it mario@vm\n")
	w.command(t, "postconf", "-c", w.Dir, "-e", "virtual_alias_domains=nomeazienda.it",
		"virtual_alias_maps=hash:"+w.Dir+"/virtual", "mynetworks=127.0.0.0/8, 192.0.2.0/24")

	w.age()
	change := func(name, before, after string) plan.Change {
		c := plan.Change{
			Key: plan.Key{
				Kind: mailsvc.Kind,
				Name: name,
			},
			Action: plan.Update,
			After:  []string{after},
			Stage:  plan.StageService,
		}

		if before != "" {
			c.Before = []string{before}
		}

		return c
	}

	for _, c := range []struct {
		change plan.Change
		want   string
	}{
		{change("main.cf myorigin", "vm", "nomeazienda.it"), "mail for root, written without a domain: now to a program or file, then to the mailbox of " + w.Root},
		{change("main.cf mynetworks", "127.0.0.0/8, 192.0.2.0/24", "127.0.0.0/8"), "from 192.0.2.0/24 mail for anywhere is taken without a login now, and not then"},
		{change("main.cf mynetworks", "127.0.0.0/8, 192.0.2.0/24", "127.0.0.0/8, 192.0.2.0/24, 10.0.0.0/8"), "from 10.0.0.0/8 mail for anywhere is not taken without a login now, and is then"},
		{change("main.cf smtpd_sasl_auth_enable", "", "yes"), "port 25 takes no logins now, and does then"},
		{change("main.cf disable_vrfy_command", "", "yes"), ""},
	} {
		got := w.Effects(t.Context(), []plan.Change{c.change})
		if c.want == "" && len(got) > 0 || c.want != "" &&
			!slices.ContainsFunc(got, func(s string) bool {
				return strings.HasPrefix(s, c.want)
			}) {
			t.Errorf("%s: %q, want %q", c.change.Key.Name, got, c.want)
		}
	}

	if text, _ := os.ReadFile(w.Dir + "/main.cf"); strings.Contains(string(text),
		"myorigin = nomeazienda.it") {
		t.Error("something was written")
	}
}

// What would end in nothing is refused before anything is written.
func TestBareNamesThatWouldBounce(t *testing.T) {
	w := newWorld(t)
	w.command(t, "postconf", "-c", w.Dir, "-e", "virtual_alias_domains=nomeazienda.it",
		"virtual_alias_maps=inline:{{mario@nomeazienda.it=mario}}")

	w.age()
	before := w.file(t, "main.cf")
	c := plan.Change{
		Key: plan.Key{
			Kind: mailsvc.Kind,
			Name: "main.cf myorigin",
		},
		Action: plan.Update,
		After:  []string{"nomeazienda.it"},
		Stage:  plan.StageService,
	}

	s, err := w.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	c.Before, _ = w.read(t.Context(), s, c.Key)
	err = w.Apply(t.Context(), []plan.Change{c}, func(plan.Change, error) {})
	if err == nil || !strings.Contains(err.Error(), "it bounces then: give") ||
		w.file(t, "main.cf") != before {
		t.Errorf("%v", err)
	}
}

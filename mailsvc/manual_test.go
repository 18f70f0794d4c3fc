package mailsvc

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// What a server by hand is seen to do of each need.
func TestManualNeeds(t *testing.T) {
	names := []string{"listen", "domain nomeazienda.it", "mailbox mario", "mailbox anna",
		"relaying", "senders", "recipients", "account root", "vrfy", "delivery", "passwords",
		"line ends"}

	read := func(f *smtptest.Server) map[string]string {
		m := &Manual{Addr: f.Start(t), Domain: "nomeazienda.it"}
		var keys []plan.Key
		for _, n := range names {
			keys = append(keys, key(n))
		}

		items, err := m.Read(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}

		got := map[string]string{}
		for _, it := range items {
			got[it.Key.Name] = strings.ReplaceAll(strings.Join(it.Lines, "|")+it.Unreadable,
				m.Addr, "ADDR")
		}

		return got
	}

	off := func(l string) string {
		if strings.HasPrefix(l, "VRFY") || strings.HasPrefix(l, "EXPN") {
			return "502 no"
		}
		return ""
	}

	open := func(l string) string {
		if strings.HasPrefix(l, "MAIL") || strings.HasPrefix(l, "RCPT") ||
			strings.HasPrefix(l, "VRFY") {
			return "250 ok"
		}
		return ""
	}

	for _, c := range []struct {
		reply func(string) string
		want  []string
	}{
		{off, []string{"ADDR", mail.Served, mail.Exists, "", mail.Refused, mail.Authenticated, mail.KnownOnly, mail.Unreachable, mail.Silent, notBySMTP, notBySMTP, notBySMTP}},
		{open, []string{"ADDR", mail.Served, mail.Exists, mail.Exists, trusted, trusted, "", "", "", notBySMTP, notBySMTP, notBySMTP}},
	} {
		got := read(&smtptest.Server{Reply: c.reply})
		for i, n := range names {
			if got[n] != c.want[i] {
				t.Errorf("%s is %q, want %q", n, got[n], c.want[i])
			}
		}
	}
}

// Every need of a site is said in words, for any server; and for the receiver only what it
// has settings for.
func TestSpell(t *testing.T) {
	site := mail.Spec{
		Host:    "mail.nomeazienda.it.",
		Address: netip.MustParseAddr("10.10.10.10"),
		Domains: []mail.Domain{{Name: "nomeazienda.it.", MX: []mail.MX{{Host: "mail.nomeazienda.it.", Preference: 10}}}},
		Service: mail.MailService{Collectors: []string{"mail.nomeazienda.it"}},
	}

	needs := site.ServiceItems()
	for _, it := range (&Manual{}).Spell(needs) {
		if it.ByHand == "" || strings.ContainsAny(it.ByHand, "{}") {
			t.Errorf("%s: %q", it.Key, it.ByHand)
		}
	}

	if manual := (&Manual{}).Spell(needs); len(manual) != len(needs)-1 { // abuse alone need not be known
		t.Errorf("%d of %d needs", len(manual), len(needs))
	}

	if got := (&Receiver{}).Spell(needs); len(got) != 6 { // hostname, domain, four addresses
		t.Errorf("%+v", got)
	}
}

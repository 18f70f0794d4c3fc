package mail_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// ledgerOf has entries of DNS and forwards, each "kind name = text".
func ledgerOf(lines ...string) *plan.Ledger {
	l := plan.NewLedger("nomeazienda")
	for _, line := range lines {
		key, text, _ := strings.Cut(line, " = ")
		kind, name, _ := strings.Cut(key, " ")
		l.Put(plan.Entry{
			Key: plan.Key{
				Kind: kind,
				Name: name,
			},
			Target: mail.ZoneTarget("nomeazienda.it"),
			Text:   []string{text},
		})
	}

	return l
}

func dnsChange(action plan.Action, name, before, after string) plan.Change {
	c := plan.Change{
		Target: mail.ZoneTarget("nomeazienda.it"),
		Key: plan.Key{
			Kind: "dns",
			Name: name,
		},
		Action: action,
	}

	if before != "" {
		c.Before = []string{before}
	}

	if after != "" {
		c.After = []string{after}
	}

	return c
}

func TestRestores(t *testing.T) {
	l := ledgerOf("forward tcp/25 = 10.10.10.10:25",
		"dns nomeazienda.it. MX = 10 mail.nomeazienda.it. ttl 3600")

	l.Put(plan.Entry{
		Key: plan.Key{
			Kind: "forward",
			Name: "tcp/110",
		},
		Pending: []string{"10.10.10.10:110"},
	})

	forward := func(name, to string, change func(*plan.Change)) plan.Change {
		c := plan.Change{
			Key: plan.Key{
				Kind: "forward",
				Name: name,
			},
			Action: plan.Create,
			After:  []string{to},
		}

		if change != nil {
			change(&c)
		}

		return c
	}

	for _, c := range []struct {
		name string
		c    plan.Change
		want bool
	}{
		{"it is gone", forward("tcp/25", "10.10.10.10:25", nil), true},
		{"its lease runs out", forward("tcp/25", "10.10.10.10:25", func(c *plan.Change) {
			c.Action = plan.Update
			c.Renew = true
			c.Before = c.After
		}), true},
		{"a write that died", forward("tcp/110", "10.10.10.10:110", nil), true},
		{"it never was", forward("tcp/143", "10.10.10.10:143", nil), false},
		{"the config has another one since", forward("tcp/25", "10.10.10.99:25", nil), false},
		{"a stranger has the port", forward("tcp/25", "10.10.10.10:25", func(c *plan.Change) {
			c.Action = plan.Update
			c.Adopt = true
		}), false},
		{"it is to go", forward("tcp/25", "", func(c *plan.Change) {
			c.Action = plan.Delete
			c.Release = true
		}), false},
		{"a person does it", forward("tcp/25", "10.10.10.10:25", func(c *plan.Change) { c.Action = plan.Manual }), false},
		{"nobody can see it", forward("tcp/25", "10.10.10.10:25", func(c *plan.Change) { c.Action = plan.Unreadable }), false},
		{"a record is gone", dnsChange(plan.Create, "nomeazienda.it. MX", "", "10 mail.nomeazienda.it. ttl 3600"), true},
	} {
		if got := l.Restores(c.c); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestFollowing(t *testing.T) {
	const host = "mail.nomeazienda.it."
	all := []string{"dns mail.nomeazienda.it. A = 2.2.2.2 ttl 3600",
		`dns nomeazienda.it. TXT v=spf1 = "v=spf1 mx ip4:2.2.2.2 -all"`,
		"dns 2.2.2.2.in-addr.arpa. PTR = mail.nomeazienda.it. ttl 3600",
		"dns nomeazienda.it. MX = 10 mail.nomeazienda.it. ttl 3600"}

	a := dnsChange(plan.Update, "mail.nomeazienda.it. A", "2.2.2.2 ttl 3600",
		"2.2.2.7 ttl 3600")

	spf := dnsChange(plan.Update, "nomeazienda.it. TXT v=spf1", `"v=spf1 mx ip4:2.2.2.2 -all"`,
		`"v=spf1 mx ip4:2.2.2.7 -all"`)

	ptr := dnsChange(plan.Create, "7.2.2.2.in-addr.arpa. PTR", "",
		"mail.nomeazienda.it. ttl 3600")

	old := dnsChange(plan.Delete, "2.2.2.2.in-addr.arpa. PTR", "mail.nomeazienda.it. ttl 3600",
		"")

	old.Release = true
	with := func(c plan.Change, change func(*plan.Change)) plan.Change {
		change(&c)
		return c
	}

	byHand := with(ptr, func(c *plan.Change) { c.Action = plan.Manual })
	mx := dnsChange(plan.Create, "nomeazienda.it. MX", "", "10 mail.nomeazienda.it. ttl 3600")
	for _, c := range []struct {
		name    string
		ledger  []string
		changes []plan.Change
		want    int
		err     string
	}{
		{"all of it", all, []plan.Change{a, spf, ptr, old}, 4, ""},
		{"the PTR is the provider's", all, []plan.Change{a, spf, byHand}, 3, ""},
		{"nothing else", all, []plan.Change{a, spf, mx}, 2, ""},
		{"no change of address", all, []plan.Change{mx}, 0, ""},
		{"the first address", all[1:], []plan.Change{with(a, func(c *plan.Change) {
			c.Action = plan.Create
			c.Before = nil
		}), spf}, 0, ""},
		{"A was put back to what it was", all, []plan.Change{dnsChange(plan.Create, "mail.nomeazienda.it. A", "", "2.2.2.2 ttl 3600")}, 0, ""},
		{"somebody changed A", all, []plan.Change{with(a, func(c *plan.Change) {
			c.Adopt = true
			c.Before = []string{"9.9.9.9 ttl 60"}
		}), spf}, 0, "mail.nomeazienda.it. A is not mailpub's"},
		{"somebody changed SPF", all, []plan.Change{a, with(spf, func(c *plan.Change) { c.Adopt = true })}, 0, "nomeazienda.it. TXT v=spf1 is not mailpub's"},
		{"the config has another TTL", all, []plan.Change{with(a, func(c *plan.Change) { c.After = []string{"2.2.2.7 ttl 60"} }), spf}, 0, "A differs by more than the address"},
		{"the config includes somebody", all, []plan.Change{a, with(spf, func(c *plan.Change) { c.After = []string{`"v=spf1 mx ip4:2.2.2.7 include:_spf.example.net -all"`} })}, 0, "TXT v=spf1 differs by more"},
		{"SPF with terms of others, in another order", append([]string{`dns nomeazienda.it. TXT v=spf1 = "v=spf1 include:_spf.example.net mx ip4:2.2.2.2 ~all"`}, all[0]),
			[]plan.Change{a, with(spf, func(c *plan.Change) {
				c.After = []string{`"v=spf1 ip4:2.2.2.7 include:_spf.example.net mx ~all"`}
			})}, 2, ""},
		{"the host has another name", all, []plan.Change{a, with(ptr, func(c *plan.Change) { c.After = []string{"mx.nomeazienda.it. ttl 3600"} })}, 0, "PTR differs by more"},
		{"it broke off before the other zone's SPF", all, []plan.Change{spf}, 1, ""},
		{"it broke off before the PTR", all, []plan.Change{ptr, old}, 2, ""},
		{"only the old PTR is left", all, []plan.Change{old}, 0, ""},
		{"nobody can see A", all, []plan.Change{with(a, func(c *plan.Change) { c.Action = plan.Unreadable }), spf}, 0, ""},
	} {
		got, err := mail.AddressUpdate(&plan.Plan{Changes: c.changes}, host,
			ledgerOf(c.ledger...))
		if len(got) != c.want || (err == nil) != (c.err == "") ||
			err != nil && (!strings.Contains(err.Error(), c.err) ||
				!errors.Is(err, mail.ErrUnsettled)) {
			t.Errorf("%s: %d changes, %v; want %d, %q", c.name, len(got), err, c.want, c.err)
		}
	}
}

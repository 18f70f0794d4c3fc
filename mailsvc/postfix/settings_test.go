package postfix

import (
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

func need(name string, lines ...string) plan.Item {
	return plan.Item{
		Key: plan.Key{
			Kind: "service",
			Name: name,
		},
		Lines:  lines,
		Stage:  plan.StageService,
		Reason: "why",
	}
}

// spelt returns the one setting that a need comes to.
func spelt(t *testing.T, name string, needs ...plan.Item) plan.Item {
	t.Helper()
	for _, it := range (&Driver{Dir: "/etc/postfix"}).Spell(needs) {
		if it.Key.Name == name {
			return it
		}
	}

	t.Fatalf("%v has no %s", needs, name)
	return plan.Item{}
}

// after is what becomes of an observed text; "" is nothing there, and nothing written.
func after(it plan.Item, observed string, last ...string) string {
	var is []string
	if observed != "" {
		is = []string{observed}
	}

	if it.Merge == nil {
		return it.Lines[0]
	}

	to := it.Merge(is, last, nil)
	if again := it.Merge(to, last, nil); !slices.Equal(again, to) {
		return "not idempotent: " + strings.Join(again, "|")
	}

	return strings.Join(to, "|")
}

func TestSpell(t *testing.T) {
	domains := []plan.Item{need("domain nomeazienda.it", mail.Served),
		need("domain b.it", mail.Served)}

	senders := append(slices.Clone(domains), need("senders", mail.Authenticated))
	const ours = `check_sender_access regexp:{{/@(nomeazienda\.it|b\.it)[-.0-9a-z_]/ DUNNO}, {/@(nomeazienda\.it|b\.it)/ 553 5.7.1 log in to send as this domain}}`
	const root = "check_recipient_access inline:{{root@ = 550 5.1.1 User unknown}, {test@ = 550 5.1.1 User unknown}}"
	accounts := []plan.Item{need("account root", "x"), need("account test", "x")}
	relaying := []plan.Item{need("relaying", "refused")}
	listening := []plan.Item{need("hostname", "m.b.it"), need("listen", "10.10.10.10:25")}

	for _, c := range []struct {
		name           string
		needs          []plan.Item
		observed, want string
	}{
		{"main.cf myhostname", []plan.Item{need("hostname", "m.b.it")}, "x", "m.b.it"},
		{"main.cf smtpd_banner", []plan.Item{need("hostname", "m.b.it")}, "", ""},
		{"main.cf smtpd_banner", []plan.Item{need("hostname", "m.b.it")}, "$myhostname ready", "$myhostname ready"},
		{"main.cf smtpd_banner", []plan.Item{need("hostname", "m.b.it")}, "mail.provider.example ESMTP", "$myhostname ESMTP"},
		{"main.cf inet_interfaces", []plan.Item{need("listen", "10.10.10.10:25")}, "loopback-only", "all"},
		{"main.cf inet_interfaces", []plan.Item{need("listen", "10.10.10.10:25")}, "127.0.0.1, 10.10.10.10", "127.0.0.1, 10.10.10.10"},
		{"main.cf inet_protocols", []plan.Item{need("listen", "[fd00::1]:25")}, "ipv4", "all"},
		{"main.cf mydestination b.it", domains, "", mail.Served},
		{"main.cf relayhost", []plan.Item{need("delivery", "direct")}, "", ""},
		{"main.cf relayhost", []plan.Item{need("delivery", "direct")}, "[smtp.provider.example]", empty},
		{"main.cf relayhost", []plan.Item{need("delivery", "all through smtp.b.it:587")}, "", "[smtp.b.it]:587"},
		{"main.cf smtp_fallback_relay", []plan.Item{need("delivery", "all through smtp.b.it:587")}, "[x]:25", empty},
		{"main.cf smtp_fallback_relay", []plan.Item{need("delivery", "direct, else through [fd00::1]:587")}, "", "[fd00::1]:587"},
		{"main.cf default_transport", []plan.Item{need("delivery", "direct")}, "error", "smtp"},
		{"main.cf default_transport", []plan.Item{need("delivery", "direct")}, "relay", "relay"},
		{"main.cf mynetworks", []plan.Item{need("relaying", "refused", "trusts 192.168.1.0/24", "trusts fd00::/64")}, "0.0.0.0/0", loopback + ", 192.168.1.0/24, [fd00::]/64"},
		{"main.cf mynetworks", relaying, "127.0.0.1", "127.0.0.1"},
		{"main.cf mynetworks", relaying, empty, loopback},
		{"main.cf mynetworks", relaying, "127.0.0.0/8, 10.10.10.0/24, hash:/x, [::1]/128", "127.0.0.0/8, hash:/x, [::1]/128"},
		{"main.cf mynetworks", []plan.Item{need("relaying", "refused", "trusts 10.10.0.0/16")}, "127.0.0.1, 10.10.10.0/24", "127.0.0.1, 10.10.10.0/24, 10.10.0.0/16"},
		{"main.cf relay_domains", []plan.Item{need("relaying", "refused", "passes on c.it")}, "", "c.it"},
		{"main.cf relay_domains", []plan.Item{need("relaying", "refused", "passes on c.it")}, "nomeazienda.it", "nomeazienda.it, c.it"},
		{"main.cf smtpd_relay_restrictions", []plan.Item{need("relaying", "refused")}, "permit_mynetworks, defer_unauth_destination", "permit_mynetworks, reject_unauth_destination"},
		{"main.cf smtpd_relay_restrictions", []plan.Item{need("relaying", "refused")}, "permit_mynetworks, check_client_access hash:/x, reject_unauth_destination", "permit_mynetworks, check_client_access hash:/x, reject_unauth_destination"},
		{"main.cf smtpd_relay_restrictions", relaying, "permit_mynetworks, permit", "permit_mynetworks, reject_unauth_destination"},
		{"main.cf smtpd_relay_restrictions", []plan.Item{need("relaying", "refused")}, "reject_unknown_client_hostname, permit_mynetworks, reject_unauth_destination", "reject_unknown_client_hostname, permit_mynetworks, reject_unauth_destination"},
		{"main.cf smtpd_sender_restrictions", senders, "", "permit_mynetworks, permit_sasl_authenticated, " + ours},
		{"main.cf smtpd_sender_restrictions", senders, "reject_authenticated_sender_login_mismatch", "reject_authenticated_sender_login_mismatch, permit_mynetworks, permit_sasl_authenticated, " + ours},
		{"main.cf smtpd_sender_restrictions", senders, "permit_mynetworks, reject_unknown_sender_domain, permit", "permit_mynetworks, reject_unknown_sender_domain, permit_sasl_authenticated, " + ours + ", permit"},
		{"main.cf smtpd_sender_restrictions", senders, "warn_if_reject reject_unlisted_sender reject_unknown_sender_domain", "warn_if_reject reject_unlisted_sender, reject_unknown_sender_domain, permit_mynetworks, permit_sasl_authenticated, " + ours},
		{"main.cf smtpd_sasl_auth_enable", senders, inMaster + "submission has yes", inMaster + "submission has yes"},
		{"main.cf smtpd_forbid_bare_newline", []plan.Item{need("line ends", "x")}, "yes", "yes"},
		{"main.cf smtpd_forbid_bare_newline", []plan.Item{need("line ends", "x")}, "reject", "reject"},
		{"main.cf smtpd_forbid_bare_newline", []plan.Item{need("line ends", "x")}, "no", "normalize"},
		{"main.cf smtpd_banner", listening, "${myhostname} ESMTP ready", "${myhostname} ESMTP ready"},
		{"main.cf inet_interfaces", listening, "127.0.0.1, m.b.it", "127.0.0.1, m.b.it"},
		{"main.cf smtpd_recipient_restrictions", accounts, "check_policy_service unix:private/x, permit_mynetworks", "check_policy_service unix:private/x, permit_mynetworks, " + root},
		{"main.cf smtpd_sasl_path", senders, "inet:127.0.0.1:12345", "inet:127.0.0.1:12345"},
		{"main.cf local_recipient_maps", []plan.Item{need("recipients", mail.KnownOnly)}, empty, "proxy:unix:passwd.byname, $alias_maps"},
		{"main.cf smtpd_recipient_restrictions", accounts, "reject_unauth_pipelining", "reject_unauth_pipelining, permit_mynetworks, " + root},
		{"main.cf virtual_alias_maps", []plan.Item{need("alias abuse", "mario")}, "", "hash:/etc/postfix/mailpub-virtual"},
		{"main.cf virtual_alias_maps", []plan.Item{need("alias abuse", "mario")}, "ldap:/x, lmdb:/y", "hash:/etc/postfix/mailpub-virtual, ldap:/x, lmdb:/y"},
		{"main.cf virtual_alias_maps", []plan.Item{need("alias abuse", "mario")}, "ldap:/x, hash:/etc/postfix/mailpub-virtual", "ldap:/x, hash:/etc/postfix/mailpub-virtual"},
		{"virtual abuse@b.it", []plan.Item{need("alias abuse@b.it", "mario")}, "", "mario"},
		{"dovecot auth", senders, "", socket},
	} {
		if got := after(spelt(t, c.name, c.needs...), c.observed); got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.observed, got, c.want)
		}
	}

	it := spelt(t, "main.cf smtpd_sender_restrictions", senders...)
	was := "permit_mynetworks, check_sender_access regexp:{{/@(old)/ 553 no}}"
	if got := after(it, "reject_unknown_sender_domain, "+was,
		was); got != "reject_unknown_sender_domain, permit_mynetworks, permit_sasl_authenticated, "+ours {
		t.Errorf("what was ours before stays: %q", got)
	}

	for _, by := range []string{"mailbox mario", "passwords", "collector m.b.it",
		"signing b.it"} {
		if it := spelt(t, by, need(by, "x")); it.ByHand == "" ||
			strings.Contains(it.ByHand, "{") {
			t.Errorf("%s: %q", by, it.ByHand)
		}
	}
}

package mail

import (
	"testing"

	"github.com/mailpub/mailpub/plan"
)

func TestWantsPolicies(t *testing.T) {
	s := nomeazienda()
	s.CAA = []string{"letsencrypt.org", "ca.example.net"}
	s.NoMail = []string{"www.nomeazienda.it."}
	d := &s.Domains[0]
	d.DMARC = DMARC{
		Policy: "quarantine",
		RUA:    []string{"dmarc@nomeazienda.it", "mailto:x@example.net"},
	}

	d.TLSRPT = []string{"tls@nomeazienda.it", "https://example.net/tls"}
	d.Services = []Service{{Name: "imaps", Host: "mail.nomeazienda.it.", Port: 993},
		{Name: "pop3", Host: "."}}

	w, err := s.Desired()
	if err != nil {
		t.Fatal(err)
	}

	got := flat(w.Zones["nomeazienda.it."])
	for name, want := range map[string]string{
		"_dmarc.nomeazienda.it. TXT":      `"v=DMARC1; p=quarantine; rua=mailto:dmarc@nomeazienda.it,mailto:x@example.net" ttl 3600`,
		"_smtp._tls.nomeazienda.it. TXT":  `"v=TLSRPTv1; rua=mailto:tls@nomeazienda.it,https://example.net/tls" ttl 3600`,
		"_imaps._tcp.nomeazienda.it. SRV": "0 1 993 mail.nomeazienda.it. ttl 3600",
		"_pop3._tcp.nomeazienda.it. SRV":  "0 1 0 . ttl 3600",
		"mail.nomeazienda.it. CAA":        `0 issue "ca.example.net" ttl 3600 | 0 issue "letsencrypt.org" ttl 3600`,
		"www.nomeazienda.it. MX":          "0 . ttl 3600",
		"www.nomeazienda.it. TXT v=spf1":  `"v=spf1 -all"`,
		"nomeazienda.it. MX":              "10 mail.nomeazienda.it. ttl 3600",
		"mail.nomeazienda.it. A":          "2.2.2.2 ttl 3600",
		"nomeazienda.it. TXT v=spf1":      `"v=spf1 mx ip4:2.2.2.2 -all"`,
		"mail.nomeazienda.it. TXT v=spf1": `"v=spf1 a -all"`,
	} {
		if got[name] != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
		delete(got, name)
	}

	for name, text := range got {
		t.Errorf("%s is wanted too: %s", name, text)
	}

	for _, it := range w.Zones["nomeazienda.it."] {
		if it.Reason == "" || it.Key.Name != "nomeazienda.it. MX" &&
			it.Stage >= plan.StageMail {
			t.Errorf("%s: stage %d, reason %q", it.Key, it.Stage, it.Reason)
		}
	}
}

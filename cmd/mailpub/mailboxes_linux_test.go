package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/plan"
)

// mailProvider is where the provider of a mailbox elsewhere is.
const mailProvider = "2.2.2.50"

// TestLabMailboxes does the round trip with real servers at both ends: Postfix and Dovecot behind miniupnpd, and
// Postfix and Dovecot of a provider, with submission and IMAP under TLS.
func TestLabMailboxes(t *testing.T) {
	t.Parallel()
	s := newSiteInLab(t, lab.Options{})
	s.must("inet", "ip", "addr", "add", mailProvider+"/24", "dev", "br0")
	home, provider := lab.InstallMailServer(t), lab.InstallMailServer(t)
	s.openHome(home)
	s.openProvider(provider)
	writeText(s.t, filepath.Join(s.dir, "mailbox.password"), "correct horse\n")
	s.edit("service:\n  type: receiver\n", "service:\n  type: manual\n  maildir: "+home.Maildir+"\n")
	s.edit("verify:\n", `verify:
  mailboxes: [{address: mario@provider.example, user: mario, submission: "`+mailProvider+`:587", imap: "`+mailProvider+`:993", password: "file:mailbox.password", ca_file: ca.pem}]
  patience: 40s
  messages_per_day: 50
`)
	s.mailpub(exitOK, "apply", "--yes")
	s.mailpub(exitOK, "mailbox")

	s.expects("healthy", "mail.outside pass", "outbound.delivered pass", "outbound.source pass", "outbound.tls pass", "outbound.folder pass")

	s.postconf(provider, "inet", "transport_maps=inline:{nomeazienda.it=smtp:[2.2.2.2]:26}")
	s.expects("the port is closed", "mail.outside fail: timed out", "outbound.delivered pass")
	s.postconf(provider, "inet", "transport_maps=inline:{nomeazienda.it=smtp:[2.2.2.2]}")

	s.postconf(home, "lan", "mydestination=localhost")
	s.expects("the server does not know the domain", "mail.outside fail: denied")
	s.postconf(home, "lan", "mydestination=nomeazienda.it, localhost")

	s.postconf(provider, "inet", "smtpd_client_restrictions=check_client_access inline:{{2.2.2.2 = 550 5.7.25 the address has no PTR record}}")
	s.expects("the provider wants a PTR", "mail.outside pass", "outbound.delivered fail: PTR", "outbound.spf skip")
	s.postconf(provider, "inet", "smtpd_client_restrictions=")

	writeText(s.t, filepath.Join(provider.Root, "aliases"), "mario: "+provider.Maildir+"/mario/.Junk/\n")
	s.must("inet", "postalias", "-c", provider.Postfix, provider.Root+"/aliases")
	s.postconf(provider, "inet", "smtpd_tls_security_level=none")
	s.expects("taken for spam, and in the clear", "outbound.delivered pass", "outbound.folder warn: Junk", "outbound.tls warn: unencrypted")
}

// openHome starts the site's own mail server.
func (s *siteInLab) openHome(m *lab.MailServer) {
	s.must("lan", "postconf", "-c", m.Postfix, "-e", "myhostname=mail.nomeazienda.it", "mydestination=nomeazienda.it, localhost", "mynetworks=127.0.0.0/8, 10.10.10.10/32",
		"transport_maps=inline:{provider.example=smtp:["+mailProvider+"]}", "smtp_dns_support_level=disabled", "smtpd_peername_lookup=no", "maximal_queue_lifetime=0", "bounce_queue_lifetime=0")
	writeText(s.t, filepath.Join(m.Root, "aliases"), "postmaster: "+m.Maildir+"/mario/\nabuse: postmaster\n")
	s.must("lan", "postalias", "-c", m.Postfix, m.Root+"/aliases")
	m.StartPostfix(s.t, s.lab, "lan")
	for port, greeting := range map[string]string{"110": "+OK ready", "143": "* OK ready", "3000": "", "1000": ""} {
		s.background("lan", "socat", "TCP-LISTEN:"+port+",bind=10.10.10.10,reuseaddr,fork", "SYSTEM:set -f; echo "+greeting)
	}
}

// openProvider starts the provider's, with submission, a login by Dovecot, and TLS by an authority of its own.
func (s *siteInLab) openProvider(m *lab.MailServer) {
	key := newKeyPair(s.t)
	ca := newIssuer(s.t, "provider's authority")
	shown := ca.issue(key, "mx.provider.example", func(c *x509.Certificate) { c.IPAddresses = []net.IP{netip.MustParseAddr(mailProvider).AsSlice()} })
	writeText(s.t, filepath.Join(m.Root, "shown.pem"), chainOf(shown))
	writeText(s.t, filepath.Join(m.Root, "shown.key"), string(key.pem(s.t)))
	writeText(s.t, filepath.Join(s.dir, "ca.pem"), string(ca.pem))
	s.must("inet", "postconf", "-c", m.Postfix, "-e", "myhostname=mx.provider.example", "mydestination=provider.example, localhost", "mynetworks=127.0.0.0/8",
		"inet_interfaces="+mailProvider, "smtp_bind_address="+mailProvider, "transport_maps=inline:{nomeazienda.it=smtp:[2.2.2.2]}", "smtp_dns_support_level=disabled",
		"smtpd_peername_lookup=no", "maximal_queue_lifetime=0", "bounce_queue_lifetime=0", "smtp_connect_timeout=5s",
		"smtpd_tls_cert_file="+m.Root+"/shown.pem", "smtpd_tls_key_file="+m.Root+"/shown.key", "smtpd_tls_security_level=may")
	s.must("inet", "postconf", "-c", m.Postfix, "-M", "submission/inet=submission inet n - n - - smtpd")
	s.must("inet", "postconf", "-c", m.Postfix, "-P", "submission/inet/smtpd_sasl_auth_enable=yes", "submission/inet/smtpd_sasl_type=dovecot", "submission/inet/smtpd_sasl_path="+m.Root+"/auth",
		"submission/inet/smtpd_tls_security_level=encrypt", "submission/inet/smtpd_client_restrictions=")
	s.must("inet", "sh", "-c", "cat >>"+filepath.Dir(m.Dovecot)+"/local.conf <<'CF'\nservice auth {\n  unix_listener "+m.Root+"/auth {\n    mode = 0666\n  }\n}\n"+
		"ssl = required\nssl_cert = <"+m.Root+"/shown.pem\nssl_key = <"+m.Root+"/shown.key\nCF")
	s.must("inet", "sed", "-i", "s/^!include auth-system/#&/", filepath.Dir(m.Dovecot)+"/conf.d/10-auth.conf")
	m.Start(s.t, s.lab, "inet")
}

func chainOf(c *tls.Certificate) string {
	var chain strings.Builder
	for _, raw := range c.Certificate {
		pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: raw})
	}
	return chain.String()
}

// postconf changes a Postfix that runs.
func (s *siteInLab) postconf(m *lab.MailServer, host string, settings ...string) {
	s.t.Helper()
	s.must(host, append([]string{"postconf", "-c", m.Postfix, "-e"}, settings...)...)
	s.must(host, "postfix", "-c", m.Postfix, "reload")
}

// expects runs the round trip. Each want is "id status" or "id status: words of the finding".
func (s *siteInLab) expects(what string, wants ...string) {
	s.t.Helper()
	var ids []string
	for _, w := range wants {
		ids = append(ids, strings.Fields(w)[0])
	}
	out, errs, _ := s.on("lan", s.bin, "--json", "verify", "--only", strings.Join(ids, ","))
	var report struct{ Checks []plan.Check }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		s.t.Fatalf("%s: %v: %s%s", what, err, out, errs)
	}
	for _, w := range wants {
		want, words, _ := strings.Cut(w, ": ")
		found := false
		for _, c := range report.Checks {
			if c.ID != strings.Fields(want)[0] {
				continue
			}
			found = true
			if got := c.ID + " " + string(c.Status); got != want || !strings.Contains(c.Got, words) {
				s.t.Errorf("%s: %s: %s (%s); want %s", what, got, c.Got, c.Hint, w)
			}
		}
		if !found {
			s.t.Errorf("%s: no %s", what, w)
		}
	}
}

func writeText(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

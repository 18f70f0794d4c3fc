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
	"regexp"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/plan"
)

// Addresses outside of the mailboxes' lab.
const (
	mailProvider = "2.2.2.50" // the provider of a mailbox elsewhere
	otherWay     = "2.2.2.60" // a second public address of the router
)

// roundTrips is the lab's site with real servers at both ends: Postfix, Dovecot and OpenDKIM behind miniupnpd, and a
// provider's Postfix, Dovecot, OpenDKIM and OpenDMARC, with submission and IMAP under TLS and a folder for spam.
type roundTrips struct {
	*siteInLab
	home, provider *lab.MailServer
	docs           strings.Builder
	dmarc          func() // ends the provider's OpenDMARC
}

// allOfRoundTrip are the checks that a round trip makes.
const allOfRoundTrip = "mail.outside,outbound"

// TestLabMailboxes breaks mail between two real servers in each way that a finding names. What a person sees of the
// healthy site and of six broken ones is in the docs.
func TestLabMailboxes(t *testing.T) {
	t.Parallel()
	r := newRoundTrips(t)
	r.mailpub(exitOK, "mailbox")

	r.shows("A message out and one in", "mail.outside pass: by mx.provider.example from 2.2.2.2 under TLS, then mail.nomeazienda.it from 2.2.2.50 under TLS",
		"outbound.delivered pass", "outbound.source pass: source 2.2.2.2; spf pass; dkim pass; dmarc pass; tls encrypted; folder INBOX",
		"outbound.spf pass", "outbound.dkim pass", "outbound.dmarc pass",
		"outbound.tls pass", "outbound.folder pass: INBOX")

	// The way in.
	r.must("lan", "upnpc", "-d", "25", "tcp")
	r.shows("Port 25 is not forwarded any more", "mail.outside fail: onnection",
		"outbound.delivered pass")

	r.mailpub(exitOK, "apply", "--yes")
	r.lab.Update(t, "update delete nomeazienda.it MX",
		"update add nomeazienda.it 60 MX 10 www.nomeazienda.it.")

	r.shows("MX to another server", "mail.outside fail: www.nomeazienda.it[2.2.2.4]:25: Connection refused",
		"outbound.delivered pass")

	r.mailpub(exitOK, "apply", "--yes", "--adopt")
	r.aliases(r.home, "mario: nosuch@provider.example\n")
	r.expects("the site's server bounces after it accepted",
		"mail.outside fail: returned to mario@provider.example")

	r.aliases(r.home, "mario: "+r.home.Maildir+"/mario/\n")

	// The way out.
	postgrey := r.greylist()
	r.shows("The provider greylists", "outbound.delivered warn: reylist", "outbound.spf skip")
	postgrey()
	r.postconf(r.provider, "inet", "smtpd_client_restrictions=check_client_access inline:{{2.2.2.2 = 550 5.7.25 the address has no PTR record}}")
	r.expects("the provider wants a PTR", "outbound.delivered fail: PTR", "outbound.spf skip")
	r.postconf(r.provider, "inet", "smtpd_client_restrictions=")
	r.aliases(r.provider, "mario: nosuch@provider.example\n")
	r.expects("the provider bounces after it accepted", "outbound.delivered fail: nosuch",
		"outbound.spf skip")

	r.aliases(r.provider, providerAlias(r.provider))

	r.must("inet", "postconf", "-c", r.provider.Postfix, "-e", "smtpd_tls_security_level=none")
	r.postconf(r.home, "lan", "smtp_header_checks=regexp:{{/^Subject: (.*)/ REPLACE Subject: [outside] $1}}")
	r.must("inet", "postfix", "-c", r.provider.Postfix, "reload")
	r.shows("The message is changed after it was signed, and goes unencrypted",
		"outbound.dkim fail", "outbound.spf pass", "outbound.dmarc pass",
		"outbound.tls warn: unencrypted")

	r.postconf(r.provider, "inet", "smtpd_tls_security_level=may")

	r.must("router", "ip", "addr", "add", otherWay+"/24", "dev", "wan0")
	r.must("router", "nft", "insert", "rule", "inet", "filter", "postrouting", "ip", "saddr",
		lab.Server, "ip", "daddr", mailProvider, "tcp", "dport", "25", "snat", "ip", "to",
		otherWay)

	r.shows("Mail leaves from another address, and is refused",
		"outbound.delivered fail: DMARC")

	r.openDMARC("false")
	r.shows("The same at a provider that puts such mail into the spam folder",
		"outbound.delivered pass", "outbound.source fail: "+otherWay, "outbound.spf fail",
		"outbound.dkim fail", "outbound.dmarc fail", "outbound.folder warn: Junk")

	r.postconf(r.home, "lan", "smtp_header_checks=")
	r.expects("another address alone", "outbound.source fail", "outbound.spf fail",
		"outbound.dkim pass", "outbound.dmarc pass", "outbound.folder pass")

	inDocs(t, "../../docs/verify.md", "<!-- round trips -->\n", r.docs.String())
}

// newRoundTrips makes the lab, and has mailpub bring the site about.
func newRoundTrips(t *testing.T) *roundTrips {
	site, home := newPostfixInLab(t)
	r := &roundTrips{siteInLab: site, home: home, provider: lab.InstallMailServer(t)}
	r.must("inet", "ip", "addr", "add", mailProvider+"/24", "dev", "br0")
	refuseQuickly(r.siteInLab, "router")
	writeText(t, filepath.Join(r.dir, "mailbox.password"), "correct horse\n")
	r.edit("  - name: nomeazienda.it\nzones:",
		"  - name: nomeazienda.it\n    dkim: [{selector: mail}]\n    dmarc: {policy: reject}\nzones:")

	r.edit("verify:\n", `verify:
  mailboxes: [{address: mario@provider.example, user: mario, submission: "`+mailProvider+
		`:587", imap: "`+mailProvider+`:993", password: "file:mailbox.password", ca_file: ca.pem}]
  outbound: {from: mario@nomeazienda.it, submission: "10.10.10.10:587", user: mario, password: "file:mailbox.password"}
  patience: 25s
  messages_per_day: 100
`)

	t.Cleanup(r.logs)
	r.openProvider()
	r.openHome()

	return r
}

// logs prints what the servers logged last, where something failed.
func (r *roundTrips) logs() {
	if !r.t.Failed() {
		return
	}

	for _, m := range []*lab.MailServer{r.home, r.provider} {
		for _, name := range []string{"log", "dovecot.log", "lda.log"} {
			data, err := os.ReadFile(filepath.Join(m.Root, name))
			r.t.Logf("%s/%s: %v\n%s", m.Root, name, err, data[max(0, len(data)-6000):])
		}
	}
}

// openHome has the site's own server take logins at 587, sign, and ask the lab's name server; then mailpub applies.
func (r *roundTrips) openHome() {
	m := r.home
	r.must("lan", "postconf", "-c", m.Postfix, "-e",
		"transport_maps=inline:{provider.example=smtp:["+mailProvider+"]}",
		"smtp_tls_security_level=may", "smtpd_peername_lookup=no",
		"smtpd_milters=inet:127.0.0.1:8891", "non_smtpd_milters=inet:127.0.0.1:8891")

	r.must("lan", "postconf", "-c", m.Postfix, "-M",
		"submission/inet=submission inet n - n - - smtpd")

	r.must("lan", "postconf", "-c", m.Postfix, "-P",
		"submission/inet/smtpd_sasl_auth_enable=yes",
		"submission/inet/smtpd_tls_security_level=may",
		"submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated,reject")

	r.must("lan", "postconf", "-c", m.Postfix, "-P", "submission/inet/smtpd_sasl_type=dovecot",
		"submission/inet/smtpd_sasl_path="+m.Root+"/auth")

	r.must("lan", "sh", "-c", "cat >>"+filepath.Dir(m.Dovecot)+"/local.conf <<'CF'\n"+
		loginSocket(m)+"CF")

	r.must("lan", "sed", "-i", "s/^!include auth-system/#&/",
		filepath.Dir(m.Dovecot)+"/conf.d/10-auth.conf")

	r.must("lan", "postfix", "-c", m.Postfix, "reload")
	r.must("lan", "doveadm", "-c", m.Dovecot, "reload")
	r.mailpub(exitOK, "dkim", "--make")
	keys, err := filepath.Glob(filepath.Join(r.dir, "*", "dkim", "*"))
	if err != nil || len(keys) != 1 {
		r.t.Fatalf("keys: %q %v", keys, err)
	}

	r.openDKIM("lan", m, "Mode s\nDomain nomeazienda.it\nSelector mail\nRequireSafeKeys no\nKeyFile "+
		keys[0]+"\nInternalHosts 10.10.10.0/24\n")

	r.mailpub(exitOK, "apply", "--yes", "--adopt")
}

// openProvider starts the provider's servers: mail from outside passes OpenDKIM and OpenDMARC, and Dovecot puts what
// fails DMARC into the folder for spam.
func (r *roundTrips) openProvider() {
	m := r.provider
	m.Resolver = lab.NameServer
	key := newKeyPair(r.t)
	ca := newIssuer(r.t, "provider's authority")
	shown := ca.issue(key, "mx.provider.example", func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{netip.MustParseAddr(mailProvider).AsSlice()}
	})

	writeText(r.t, filepath.Join(m.Root, "shown.pem"), chainOf(shown))
	writeText(r.t, filepath.Join(m.Root, "shown.key"), string(key.pem(r.t)))
	writeText(r.t, filepath.Join(r.dir, "ca.pem"), string(ca.pem))
	r.must("inet", "postconf", "-c", m.Postfix, "-e", "myhostname=mx.provider.example",
		"mydestination=provider.example, localhost", "mynetworks=127.0.0.0/8",
		"inet_interfaces="+mailProvider, "smtp_bind_address="+mailProvider,
		"smtp_tls_security_level=may", "smtpd_peername_lookup=no", "maximal_queue_lifetime=0",
		"bounce_queue_lifetime=0",
		"smtp_connect_timeout=5s", "smtpd_tls_cert_file="+m.Root+"/shown.pem",
		"smtpd_tls_key_file="+m.Root+"/shown.key", "smtpd_tls_security_level=may")

	r.must("inet", "postconf", "-c", m.Postfix, "-P",
		"smtp/inet/smtpd_milters=inet:127.0.0.1:8891,inet:127.0.0.1:8893")

	r.must("inet", "postconf", "-c", m.Postfix, "-M",
		"submission/inet=submission inet n - n - - smtpd")

	r.must("inet", "postconf", "-c", m.Postfix, "-P",
		"submission/inet/smtpd_sasl_auth_enable=yes",
		"submission/inet/smtpd_sasl_type=dovecot",
		"submission/inet/smtpd_sasl_path="+m.Root+"/auth",
		"submission/inet/smtpd_tls_security_level=encrypt",
		"submission/inet/smtpd_client_restrictions=")

	r.must("inet", "install", "-m", "666", "/dev/null", m.Root+"/lda.log")
	r.must("inet", "install", "-d", m.Root+"/spool/etc") // where Postfix's processes see nothing else
	writeText(r.t, m.Root+"/spool/etc/resolv.conf", "nameserver "+lab.NameServer+"\n")
	writeText(r.t, filepath.Join(m.Root, "spam.sieve"),
		"require [\"fileinto\", \"mailbox\"];\nif header :contains \"Authentication-Results\" \"dmarc=fail\" { fileinto :create \"Junk\"; }\n")

	r.must("inet", "sh", "-c", "cat >>"+filepath.Dir(m.Dovecot)+"/local.conf <<'CF'\n"+
		loginSocket(m)+
		"ssl = required\nssl_cert = <"+m.Root+"/shown.pem\nssl_key = <"+m.Root+
		"/shown.key\nservice stats {\n  unix_listener stats-writer {\n    mode = 0666\n  }\n}\n"+
		"protocol lda {\n  mail_plugins = $mail_plugins sieve\n  log_path = "+m.Root+
		"/lda.log\n}\nplugin {\n  sieve = "+m.Root+"/spam.sieve\n}\nCF")

	r.must("inet", "sievec", "-c", m.Dovecot, m.Root+"/spam.sieve")
	r.must("inet", "sed", "-i", "s/^!include auth-system/#&/",
		filepath.Dir(m.Dovecot)+"/conf.d/10-auth.conf")

	r.openDKIM("inet", m, "Mode v\nAuthservID mx.provider.example\nNameservers "+lab.NameServer+
		"\n")

	r.openDMARC("true")
	r.aliases(m, providerAlias(m))
	m.Start(r.t, r.lab, "inet")
}

// loginSocket has Dovecot answer Postfix.
func loginSocket(m *lab.MailServer) string {
	return "service auth {\n  unix_listener " + m.Root + "/auth {\n    mode = 0666\n  }\n}\n"
}

// providerAlias has Dovecot deliver.
func providerAlias(m *lab.MailServer) string {
	return "mario: \"|/usr/lib/dovecot/dovecot-lda -c " + m.Dovecot + " -d mario\"\n"
}

// openDKIM starts OpenDKIM beside a mail server.
func (r *roundTrips) openDKIM(host string, m *lab.MailServer, settings string) {
	file := filepath.Join(m.Root, "opendkim.conf")
	writeText(r.t, file, settings+"Socket inet:8891@127.0.0.1\nCanonicalization relaxed/simple\nBackground no\nSyslog no\n")
	r.background(host, "opendkim", "-f", "-x", file)
	r.listensAt(host, "8891")
}

// openDMARC starts the provider's OpenDMARC, or starts it anew with another answer to whether it refuses.
func (r *roundTrips) openDMARC(refuses string) {
	if r.dmarc != nil {
		r.dmarc()
	}

	file := filepath.Join(r.provider.Root, "opendmarc.conf")
	writeText(r.t, file, "AuthservID mx.provider.example\nTrustedAuthservIDs mx.provider.example\nSocket inet:8893@127.0.0.1\nSPFIgnoreResults true\nSPFSelfValidate true\nRejectFailures "+refuses+
		"\nIgnoreHosts "+r.provider.Root+"/none\nSyslog false\n")

	writeText(r.t, r.provider.Root+"/none", "192.0.2.1\n")
	r.dmarc = r.background("inet", r.provider.Resolving("/var/cache/mailpub-tests/opendmarc/usr/sbin/opendmarc",
		"-f", "-c", file)...)

	r.listensAt("inet", "8893")
}

// greylist has the provider's Postfix ask postgrey; stop ends that.
func (r *roundTrips) greylist() (stop func()) {
	ended := r.background("inet", "postgrey", "--inet=127.0.0.1:10023", "--delay=600",
		"--dbdir="+r.t.TempDir(), "--user=root", "--group=root")

	r.listensAt("inet", "10023")
	r.postconf(r.provider, "inet", "smtpd_recipient_restrictions=permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination,check_policy_service inet:127.0.0.1:10023")
	return func() {
		r.postconf(r.provider, "inet", "smtpd_recipient_restrictions=")
		ended()
		r.must("lan", "postsuper", "-c", r.home.Postfix, "-d", "ALL")
	}
}

func (r *roundTrips) listensAt(host, port string) {
	r.t.Helper()
	r.eventually("something listens on "+port, func() bool {
		_, _, code := r.on(host, "socat", "-u", "OPEN:/dev/null", "TCP:127.0.0.1:"+port)
		return code == 0
	})
}

// aliases changes who gets a server's mail.
func (r *roundTrips) aliases(m *lab.MailServer, text string) {
	r.t.Helper()
	writeText(r.t, filepath.Join(m.Root, "aliases"), text)
	r.must("inet", "postalias", "-c", m.Postfix, m.Root+"/aliases")
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
func (r *roundTrips) expects(what string, wants ...string) {
	r.t.Helper()
	var ids []string
	for _, w := range wants {
		ids = append(ids, strings.Fields(w)[0])
	}

	out, errs, _ := r.on("lan", r.bin, "--json", "verify", "--only", strings.Join(ids, ","))
	var report struct{ Checks []plan.Check }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		r.t.Fatalf("%s: %v: %s%s", what, err, out, errs)
	}

	r.judge(what, report.Checks, wants)
}

// shows runs the round trip as a person does, and puts what that sees into the docs.
func (r *roundTrips) shows(what string, wants ...string) {
	r.t.Helper()
	file := filepath.Join(r.dir, "last.xml")
	text, errs, code := r.on("lan", r.bin, "verify", "--only", allOfRoundTrip, "--junit", file)

	if code == exitFailed {
		r.t.Fatalf("%s: %s%s", what, text, errs)
	}

	for i, w := range wants { // JUnit has no words of what passes
		if want, words, ok := strings.Cut(w, ": "); ok && strings.HasSuffix(want, " pass") {
			wants[i] = want
			if !strings.Contains(strings.Join(strings.Fields(text), " "), words) {
				r.t.Errorf("%s: no %q", what, words)
			}
		}
	}

	r.judge(what, r.fromJUnit(r.t, file), wants)
	r.docs.WriteString("\n### " + what + "\n\n```\n$ mailpub verify --only " + allOfRoundTrip +
		"\n" + steady(lasting.ReplaceAllString(text, "after 25s")) + "```\n")

	if r.t.Failed() {
		r.t.Log(text)
	}
}

// lasting is how long was waited, which differs from run to run.
var lasting = regexp.MustCompile(`after [23]\ds`)

func (r *roundTrips) judge(what string, checks []plan.Check, wants []string) {
	r.t.Helper()
	for _, w := range wants {
		want, words, _ := strings.Cut(w, ": ")
		found := false
		for _, c := range checks {
			if c.ID != strings.Fields(want)[0] {
				continue
			}

			found = true
			if got := c.ID + " " + string(c.Status); got != want ||
				!strings.Contains(c.Got, words) {
				r.t.Errorf("%s: %s: %s (%s); want %s", what, got, c.Got, c.Hint, w)
			}
		}

		if !found {
			r.t.Errorf("%s: no %s", what, w)
		}
	}
}

func writeText(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

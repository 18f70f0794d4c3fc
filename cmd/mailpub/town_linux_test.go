package main

import (
	"crypto/tls"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/plan/mail"
)

// Hosts outside that the whole site deals with.
const (
	backupServer  = "2.2.2.20" // backup.example: a second MX
	egressServer  = "2.2.2.21" // mx.example: a mail server elsewhere
	popServer     = "2.2.2.22" // pop.nomeazienda.it, at first: that mail is collected from
	strangersHost = "2.2.2.23"
)

// wholeConfig is a site that calls for every check.
const wholeConfig = `site: nomeazienda
server:
  hostname: mail.nomeazienda.it
  address: 10.10.10.10
  public: {ipv4: auto}
  caa: [letsencrypt.org]
  dane: {certificate: served}
domains:
  - name: nomeazienda.it
    mx: [{host: mail.nomeazienda.it, preference: 10}, {host: backup.example, preference: 20}]
    dkim: [{selector: m1, file: dkim.pem}]
    dmarc: {policy: reject, rua: [postmaster@nomeazienda.it]}
    mta_sts: {mode: enforce, host: web.example}
    tlsrpt: [postmaster@nomeazienda.it]
    services: [{name: imap}]
    autoconfig: mail.nomeazienda.it
zones:
  - name: nomeazienda.it
    provider: rfc2136
    settings: {server: "2.2.2.3:53", key_name: mailpub., key: "env:MAILPUB_TSIG_KEY"}
  - name: 2.2.2.in-addr.arpa
    provider: rfc2136
    settings: {server: "2.2.2.3:53", key_name: mailpub., key: "env:MAILPUB_TSIG_KEY"}
router:
  url: http://10.10.10.1:5000/rootDesc.xml
  forwards:
    - {name: smtp, port: 25}
    - {name: pop3, port: 110}
    - {name: imap, port: 143}
    - {name: worldclient, port: 3000}
    - {name: webadmin, port: 1000}
service:
  type: postfix
  aliases: [{address: postmaster, to: mario}, {address: abuse, to: mario}]
  collectors: [{host: pop.nomeazienda.it}]
  maildir: MAILDIR
  settings: {config_directory: POSTFIX, dovecot: DOVECOT, pam: PAM}
verify:
  resolvers: [` + labResolver + `]
  egress: [mx.example]
  hosts: hosts
  dnsbl: [bl.example]
  accounts: true
  mailbox: {imap: "10.10.10.10:143", pop3: "10.10.10.10:110", user: mario, password: "file:mailbox.password"}
`

// town is the lab with the whole site in it, as it should be: Postfix and Dovecot behind
// miniupnpd, BIND and a probe outside, and who else takes part in mail.
type town struct {
	*internet
	mail    *postfixOf
	backup  *postfixOf // the second MX, of somebody else's
	mailbox string     // the file of Dovecot's users
	banners *atomic.Int32
	web     func() // ends what listens on port 3000
	home    *town  // the one that outlives scenarios
}

func (in *internet) found(t testing.TB) *town {
	tw := &town{
		internet: in,
		banners:  new(atomic.Int32),
		mail: &postfixOf{
			MailServer: lab.InstallMailServer(t),
			host:       "lan",
			addr:       lab.Server,
		},
		backup: &postfixOf{
			MailServer: lab.InstallMailServer(t),
			host:       "inet",
			addr:       backupServer,
		},
	}

	tw.home = tw
	for _, a := range []string{backupServer, egressServer, popServer, strangersHost} {
		in.must("inet", "ip", "addr", "add", a+"/24", "dev", "br0")
	}

	in.delegate("example", "backup A "+backupServer, "mx A "+egressServer, "web A "+lab.Outside)
	in.eventually("the zone is signed", func() bool {
		out, _, _ := in.on("inet", "sh", "-c",
			"dig +noall +answer @"+lab.NameServer+
				" nomeazienda.it DNSKEY | dnssec-dsfromkey -2 -f - nomeazienda.it")

		_, ds, ok := strings.Cut(strings.TrimSpace(out), " IN ")
		if ok {
			in.delegate("it", "nomeazienda "+ds)
		}

		return ok
	})

	in.lab.Update(t, "update add pop.nomeazienda.it 60 A "+popServer)
	policy := mail.Domain{
		MX: []mail.MX{{Host: "mail.nomeazienda.it."}, {Host: "backup.example."}},
		MTASTS: mail.MTASTS{
			Mode:   "enforce",
			MaxAge: 7 * 24 * time.Hour,
		},
	}.Policy()

	in.served["nomeazienda.it"] = strings.Join(policy, "\n") + "\n"
	return tw
}

// open starts everything of the town, and has mailpub bring the site about.
func (tw *town) open(t testing.TB) {
	pam := filepath.Join(tw.dir, "common-password")
	tw.write(pam, "password requisite pam_pwquality.so retry=3\n")
	tw.write(filepath.Join(tw.dir, "hosts"), "127.0.0.1 localhost\n")
	tw.write(filepath.Join(tw.dir, "mailbox.password"), "correct horse\n")
	tw.write(filepath.Join(tw.dir, "mailpub.yaml"),
		strings.NewReplacer("MAILDIR", tw.mail.Maildir, "POSTFIX", tw.mail.Postfix,
			"DOVECOT", tw.mail.Dovecot, "PAM", pam).Replace(wholeConfig))

	tw.mailbox = filepath.Join(tw.mail.Root, "users")
	tw.show(tw.ca.issue(tw.key, "mail.nomeazienda.it"))
	tw.must("lan", "postconf", "-c", tw.mail.Postfix, "-e",
		"smtpd_tls_cert_file="+tw.dir+"/shown.pem", "smtpd_tls_key_file="+tw.dir+"/shown.key",
		"smtpd_tls_security_level=may", "smtpd_client_connection_count_limit=0")

	// Its users alone: the system's own are asked by PAM, which takes 2 s for every refusal.
	tw.must("lan", "sed", "-i", "s/^!include auth-system/#&/",
		filepath.Dir(tw.mail.Dovecot)+"/conf.d/10-auth.conf")

	tw.mail.Start(t, tw.lab, "lan")
	tw.openBackup(t)
	serveReceiver(t, tw.lab.Listen(t, "inet", egressServer+":25"), "mx.example", nil)
	tw.web = tw.listens("3000")
	tw.listens("1000")
	refuseQuickly(tw.siteInLab, "router")
	tw.probe(labResolver, "--pause", "1ms", "--per-hour", "100000")
	tw.mailpub(exitOK, "apply", "--yes", "--adopt")
}

// refuseQuickly makes a router refuse at once what it does not let in: no less real, and nobody
// waits.
func refuseQuickly(s *siteInLab, router string) {
	s.must(router, "nft", "add", "rule", "inet", "filter", "input", "iifname", "wan0", "meta",
		"l4proto", "tcp", "reject", "with", "tcp", "reset")
}

func (tw *town) listens(port string) (stop func()) {
	return tw.background("lan", "socat", "TCP-LISTEN:"+port+",bind=10.10.10.10,reuseaddr,fork",
		"SYSTEM:echo")
}

// show writes what the mail server shows.
func (tw *town) show(c *tls.Certificate) {
	var chain []byte
	for _, raw := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{
			Type:  "CERTIFICATE",
			Bytes: raw,
		})...)
	}

	tw.write(filepath.Join(tw.dir, "shown.pem"), string(chain))
	tw.write(filepath.Join(tw.dir, "shown.key"), string(tw.key.pem(tw.t)))
}

// in returns the town for a scenario: what it starts and changes ends with t.
func (tw *town) in(t testing.TB) *town {
	site := *tw.siteInLab
	in := *tw.internet
	here := *tw
	site.t = t
	in.siteInLab, here.internet = &site, &in
	return &here
}

// try breaks the town as a scenario says and runs verify; what is broken is mended when t ends.
func (tw *town) try(t *testing.T, c *catalogue, s scenario) {
	here := tw.in(t)
	s.breaks(here)
	for _, p := range []*postfixOf{tw.mail, tw.backup} {
		if p.stale { // what the last one changed is put back, and Postfix does not know yet
			tw.reload(p)
		}
	}

	config := filepath.Join(tw.dir, "mailpub.yaml")
	if s.config != nil {
		text, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		config = filepath.Join(tw.dir, "other.yaml")
		tw.write(config, edited(t, string(text), s.config))
	}

	if s.shows {
		text, checks := here.read(t, "lan", config)
		c.mu.Lock()
		c.seen[s.name] = text
		c.mu.Unlock()
		c.add(t, s, checks)
		return
	}

	only := strings.Fields(s.fails + " " + s.warns + " " + s.passes + " " + s.skips + " " +
		s.only)

	c.add(t, s, here.siteInLab.look(t, "lan", config, only...))
}

// shows has the mail server show another certificate until the scenario ends.
func (tw *town) shows(c *tls.Certificate) {
	tw.t.Cleanup(func() {
		tw.home.show(tw.ca.issue(tw.key, "mail.nomeazienda.it"))
		tw.mail.stale = true
	})
	tw.show(c)
	tw.reload(tw.mail)
}

// filter adds an nftables ruleset to a host until the scenario ends: chains of a table.
func (tw *town) filter(host string, chains ...string) {
	tw.t.Helper()
	rules := "table inet broken {\n" + strings.Join(chains, "\n") + "\n}\n"
	tw.must(host, "sh", "-c", "printf %s \"$1\" | nft -f -", "sh", rules)
	tw.t.Cleanup(func() {
		tw.home.must(host, "nft", "delete", "table", "inet", "broken")
	})
}

// hairpin has the router lead its own machines to a host inside when they connect to a port of the
// public address, until the scenario ends. Without rules for that, the router itself answers them.
func (tw *town) hairpin(port, to string) {
	tw.t.Helper()
	tw.must("router", "nft", "add table inet hairpin; add chain inet hairpin in { type nat hook prerouting priority -110; };"+
		" add chain inet hairpin out { type nat hook postrouting priority 90; };"+
		" add rule inet hairpin in iifname lan0 ip daddr "+lab.Public+" tcp dport "+port+
		" dnat ip to "+to+
		"; add rule inet hairpin out iifname lan0 oifname lan0 masquerade")

	tw.t.Cleanup(func() {
		tw.home.must("router", "nft", "delete", "table", "inet", "hairpin")
	})

	tw.eventually("the hairpin answers", func() bool { return tw.reached(port) })
}

// reached reports whether a port of the public address is reached from inside.
func (tw *town) reached(port string) bool {
	_, _, code := tw.on("lan", "socat", "-u", "OPEN:/dev/null",
		"TCP:"+lab.Public+":"+port+",connect-timeout=1")
	return code == 0
}

// record changes the zone by the lines of nsupdate, and back by others when the scenario ends.
func (tw *town) record(change, back []string) {
	tw.t.Helper()
	update := func(lines []string) {
		tw.lab.Update(tw.home.t, lines...)
		time.Sleep(1100 * time.Millisecond) // as long as the resolver remembers
	}
	update(change)
	tw.t.Cleanup(func() { update(back) })
}

const routerURL = "http://" + lab.Router + ":5000/rootDesc.xml"

// forget takes a forward away until the scenario ends.
func (tw *town) forget(port string) {
	tw.t.Helper()
	tw.must("lan", "upnpc", "-u", routerURL, "-d", port, "tcp")
	tw.t.Cleanup(func() {
		tw.home.on("lan2", "upnpc", "-u", routerURL, "-d", port, "tcp")
		tw.home.remember(port)
	})
}

// remember puts forwards of mailpub's into the router, as apply does.
func (tw *town) remember(ports ...string) {
	tw.t.Helper()
	for _, port := range ports {
		tw.forward("lan", "mailpub nomeazienda", lab.Server, port, port)
	}
}

// forward has a host put a forward into the router, for so many seconds where any are given.
func (tw *town) forward(host, note, to, inside, outside string, lease ...string) {
	tw.t.Helper()
	args := append([]string{"upnpc", "-u", routerURL, "-e", note, "-a", to, inside, outside,
		"tcp"}, lease...)
	if out := tw.must(host, args...); !strings.Contains(out, "is redirected to") {
		tw.t.Fatalf("%q: %s", args, out)
	}
}

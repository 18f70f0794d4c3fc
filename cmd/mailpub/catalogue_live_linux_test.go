package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/plan"
)

func allForwards() []string { return []string{"25", "110", "143", "3000", "1000"} }

func routerScenarios() []scenario {
	return []scenario{
		{name: "a whole site that is as it should be", passes: `router.gateway router.wan router.address router.forward router.stray
			port.inside port.outside port.undeclared port.egress25 port.source dns.drift
			smtp.banner smtp.refusing smtp.starttls smtp.certificate smtp.smuggling smtp.vrfy relay.open relay.spoof relay.sender relay.recipient
			account.postmaster account.abuse account.weak service.config service.delivery service.collector
			mail.local mail.outside mail.read mail.backup`, lived: lived{shows: true, breaks: func(*town) {}}},
		{name: "no router answers", fails: "router.gateway", lived: lived{only: "router", breaks: func(tw *town) {
			tw.lab.Goodbye(tw.t)
			tw.t.Cleanup(func() {
				tw.lab.Reboot(tw.home.t)
				tw.home.remember(allForwards()...)
			})
		}}},
		{name: "the router restarted and forgot its forwards", fails: "router.forward port.outside mail.outside", lived: lived{shows: true, breaks: func(tw *town) {
			tw.lab.Reboot(tw.t)
			tw.t.Cleanup(func() { tw.home.remember(allForwards()...) })
		}}},
		{name: "the public address changed", fails: "router.address host.a", lived: lived{shows: true, breaks: func(tw *town) {
			tw.lab.SetWAN(tw.t, "2.2.2.7/24")
			tw.t.Cleanup(func() { tw.lab.SetWAN(tw.home.t, lab.Public+"/24") })
		}}},
		{name: "one forward is gone", fails: "router.forward port.outside", lived: lived{only: "router", breaks: func(tw *town) { tw.forget("3000") }}},
		{name: "forward to a wrong host", fails: "router.forward port.outside mail.outside", lived: lived{only: "router", breaks: func(tw *town) {
			tw.forget("25")
			tw.forward("lan2", "mailpub nomeazienda", lab.Neighbour, "25", "25")
			(&liar{host: "other.lan"}).serve(tw.t, tw.lab.Listen(tw.t, "lan2", lab.Neighbour+":25"))
		}}},
		{name: "forward to a wrong port of the server", fails: "router.forward port.outside", lived: lived{only: "router", breaks: func(tw *town) {
			tw.forget("143")
			tw.forward("lan", "mailpub nomeazienda", lab.Server, "110", "143")
		}}},
		{name: "forwards of another program", fails: "router.forward",
			published: published{config: []string{"site: nomeazienda\n => site: nomeazienda\nstate: empty\n"}}, lived: lived{only: "router", breaks: func(tw *town) {
				tw.forget("143")
				tw.forward("lan", "somebody", lab.Server, "143", "143")
			}}},
		{name: "a lease past half its life", warns: "router.forward", lived: lived{only: "router", breaks: func(tw *town) {
			tw.forget("110")
			tw.forward("lan", "mailpub nomeazienda", lab.Server, "110", "110", "3600")
		}}},
		{name: "double NAT", fails: "router.wan", passes: "router.gateway", lived: lived{apart: func(t *testing.T) []plan.Check {
			s := newSiteInLab(t, lab.Options{DoubleNAT: "100.64.0"})
			return s.look(t, "lan", "mailpub.yaml", "router.gateway", "router.wan")
		}}},
		{name: "double NAT that answers \"mapped\"", fails: "port.outside", passes: "router.wan router.forward", follows: "mail.outside", lived: lived{apart: func(t *testing.T) []plan.Check {
			s := newSiteInLab(t, lab.Options{DoubleNAT: "100.64.0", Lie: true})
			refuseQuickly(s, "isp")
			s.services()
			s.probe(lab.NameServer, "--pause", "1ms")
			s.mailpub(exitFailed, "apply", "--yes") // the gate before MX sees it too
			return s.look(t, "lan", "mailpub.yaml", "router")
		}}},
		{name: "an unused forward of ours", fails: "router.stray", lived: lived{only: "router", breaks: func(tw *town) {
			tw.forward("lan", "mailpub nomeazienda", lab.Server, "26", "26")
			tw.t.Cleanup(func() { tw.home.must("lan", "upnpc", "-u", routerURL, "-d", "26", "tcp") })
		}}},
		{name: "another program's forward next to ours", passes: "router.stray router.forward", lived: lived{only: "router", breaks: func(tw *town) {
			tw.forward("lan", "somebody", lab.Server, "26", "26")
			tw.t.Cleanup(func() { tw.home.must("lan", "upnpc", "-u", routerURL, "-d", "26", "tcp") })
		}}},
	}
}

// withoutProbe takes the probe out of the town's config.
var withoutProbe = []string{"  probe: { => # probe: {"}

func portScenarios() []scenario {
	reject := "reject with tcp reset; }"
	return []scenario{
		{name: "forward listed but dead", fails: "port.outside mail.outside", passes: "router.forward", lived: lived{only: "router", breaks: func(tw *town) {
			tw.filter("router", "chain dead { type filter hook forward priority -10; iifname wan0 tcp dport 25 "+reject)
		}}},
		{name: "forward listed but dead, and a hairpin that answers", fails: "port.outside mail.outside", passes: "router.forward", lived: lived{only: "router", breaks: func(tw *town) {
			tw.hairpin("25", lab.Server)
			tw.filter("router", "chain dead { type filter hook forward priority -10; iifname wan0 tcp dport 25 "+reject)
		}}},
		{name: "the same, and no probe to see it", skips: "port.outside mail.outside", passes: "router.forward port.inside",
			published: published{config: withoutProbe}, lived: lived{only: "router", breaks: func(tw *town) {
				tw.hairpin("25", lab.Server)
				tw.filter("router", "chain dead { type filter hook forward priority -10; iifname wan0 tcp dport 25 "+reject)
			}}},
		{name: "no way to the public address from inside", passes: "port.outside mail.outside router.forward", lived: lived{only: "router", breaks: func(tw *town) {
			tw.filter("router", "chain hairpin { type filter hook prerouting priority -310; iifname lan0 ip daddr "+lab.Public+" tcp dport 25 drop; }")
			if tw.reached("25") {
				tw.t.Error("the public address is reached from inside")
			}
		}}},
		{name: "port 25 outwards tried at the own address", skips: "port.egress25",
			published: published{config: []string{"[mx.example] => [mail.nomeazienda.it]"}}, lived: lived{breaks: func(tw *town) {
				tw.hairpin("25", lab.Server)
			}}},
		{name: "MTA-STS at the own address, where the router itself answers inside", skips: "sts.policy", lived: lived{breaks: func(tw *town) {
			page := tw.lab.Listen(tw.t, "router", lab.Public+":443")
			go http.Serve(tls.NewListener(page, &tls.Config{Certificates: []tls.Certificate{*tw.stranger.issue(tw.key, "router.lan")}}), http.NotFoundHandler())
			tw.record([]string{"update delete mta-sts.nomeazienda.it. CNAME", "update add mta-sts.nomeazienda.it. 60 A " + lab.Public},
				[]string{"update delete mta-sts.nomeazienda.it. A", "update add mta-sts.nomeazienda.it. 3600 CNAME web.example."})
			if !tw.reached("443") {
				tw.t.Error("nothing answers at the public address")
			}
		}}},
		{name: "a name server at the own address, which does not answer inside", skips: "dns.zone", passes: "mx.exists", lived: lived{breaks: func(tw *town) {
			tw.record([]string{"update add nomeazienda.it. 3600 NS ns2.nomeazienda.it.", "update add ns2.nomeazienda.it. 60 A " + lab.Public},
				[]string{"update delete nomeazienda.it. NS ns2.nomeazienda.it.", "update delete ns2.nomeazienda.it. A"})
		}}},
		{name: "the server's firewall drops the outside", fails: "port.outside", warns: "port.inside", lived: lived{only: "router", breaks: func(tw *town) {
			tw.filter("lan", "chain guard { type filter hook input priority 0; iifname eth0 tcp dport 3000 "+reject)
		}}},
		{name: "a service that does not listen", fails: "port.inside port.outside", lived: lived{only: "router", breaks: func(tw *town) {
			tw.home.web()
			tw.t.Cleanup(func() { tw.home.web = tw.home.listens("3000") })
		}}},
		{name: "the mail server is down", fails: "port.inside port.outside mail.outside", lived: lived{shows: true, breaks: func(tw *town) {
			tw.must("lan", "postfix", "-c", tw.mail.Postfix, "stop")
			tw.t.Cleanup(func() {
				tw.home.must("lan", "sh", "-c", "postfix -c "+tw.mail.Postfix+" start >/dev/null 2>&1 </dev/null")
				tw.home.reload(tw.mail)
			})
		}}},
		{name: "an administration port open to the Internet", warns: "port.undeclared", lived: lived{only: "router", breaks: func(tw *town) {
			tw.forward("lan", "somebody", lab.Server, "3000", "8080")
			tw.t.Cleanup(func() { tw.home.must("lan", "upnpc", "-u", routerURL, "-d", "8080", "tcp") })
		}}},
		{name: "source address masked by the router", fails: "port.source", passes: "mail.outside", lived: lived{only: "router", breaks: func(tw *town) {
			tw.filter("router", "chain masks { type nat hook postrouting priority 90; ip saddr != 10.10.10.0/24 oifname lan0 masquerade; }")
		}}},
		{name: "ISP that blocks 25 out", fails: "port.egress25", lived: lived{only: "router mail.backup", breaks: func(tw *town) {
			tw.filter("router", "chain isp { type filter hook forward priority -10; iifname lan0 ct state new tcp dport 25 "+reject)
		}}},
		{name: "ISP with a transparent SMTP proxy", fails: "port.egress25", lived: lived{only: "router", breaks: func(tw *town) {
			(&liar{host: "proxy.isp.example"}).serve(tw.t, tw.lab.Listen(tw.t, "inet", strangersHost+":25"))
			tw.filter("router", "chain isp { type nat hook prerouting priority -110; iifname lan0 tcp dport 25 dnat ip to "+strangersHost+":25; }")
		}}},
	}
}

// dialogs are the checks of what the server says, which take no message to its mailbox.
const dialogs = `smtp.banner smtp.refusing smtp.certificate smtp.vrfy smtp.starttls relay.open relay.spoof relay.sender relay.recipient
	account.postmaster account.abuse service.config service.delivery`

func serverScenarios() []scenario {
	postfix := func(settings ...string) lived {
		return lived{only: dialogs, breaks: func(tw *town) { tw.postfix(settings...) }}
	}

	shows := func(key func(*town) keyPair, host string, change ...func(*x509.Certificate)) lived {
		return lived{
			only:   dialogs,
			breaks: func(tw *town) { tw.shows(tw.ca.issue(key(tw), host, change...)) },
		}
	}

	own := func(tw *town) keyPair { return tw.key }
	access := func(word string) string {
		return "smtpd_recipient_restrictions=check_recipient_access inline:{{" + word +
			"@ = 550 nobody}}"
	}

	return []scenario{
		{name: "the server greets by another name", fails: "smtp.banner service.config port.outside", follows: "mail.outside", lived: postfix("smtpd_banner=vm.localdomain ESMTP")},
		{name: "the server's name is the one of its installation", fails: "smtp.banner service.config", follows: "port.outside", lived: postfix("myhostname=vm.localdomain")},
		{name: "open relay", fails: "relay.open relay.spoof relay.sender service.config", lived: postfix("mynetworks=0.0.0.0/0", "smtpd_relay_restrictions=permit_mynetworks, reject_unauth_destination")},
		{name: "open relay for the outside alone", fails: "relay.open relay.spoof relay.sender service.config", lived: lived{shows: true, breaks: func(tw *town) {
			tw.postfix("mynetworks=127.0.0.0/8, 2.2.2.0/24")
		}}},
		{name: "open relay by percent hack only", fails: "relay.open", passes: "relay.recipient service.config", lived: lived{only: dialogs, breaks: func(tw *town) {
			tw.postfix("allow_percent_hack=no", "allow_untrusted_routing=yes",
				"virtual_alias_maps=hash:"+tw.mail.Postfix+"/mailpub-virtual, regexp:{{/^(.*)%(.*)@nomeazienda.it/ $$1@$$2}}")
		}}},
		{name: "spoofed local sender accepted", fails: "relay.spoof service.config", lived: postfix("smtpd_sender_restrictions=reject_unlisted_sender")},
		{name: "unknown local sender accepted", fails: "relay.sender relay.spoof service.config", lived: postfix("smtpd_sender_restrictions=")},
		{name: "the server defers all mail", fails: "smtp.refusing", lived: postfix("smtpd_client_restrictions=defer")},
		{name: "the server greylists, and takes mail at the second try", passes: dialogs + " mail.local mail.outside", lived: lived{breaks: func(tw *town) {
			tw.greylists("3")
		}}},
		{name: "the server greylists for longer than verify waits", skips: "smtp.refusing account.postmaster account.abuse",
			follows: "mail.outside mail.read", published: published{config: []string{"  accounts: true => # accounts: true\n  patience: 2s"}}, lived: lived{breaks: func(tw *town) {
				tw.greylists("300")
			}}},
		{name: "an Exim as it should be", passes: "relay.open relay.sender relay.recipient smtp.vrfy smtp.refusing", lived: lived{apart: func(t *testing.T) []plan.Check {
			return verifyExim(t, "")
		}}},
		{name: "an Exim that relays, as its own test shows", fails: "relay.open service.config", warns: "relay.spoof", passes: "relay.sender relay.recipient",
			lived: lived{apart: func(t *testing.T) []plan.Check { return verifyExim(t, "  accept domains = ! +local_domains\n") }}},
		{name: "an Exim that relays for its own network alone", warns: "relay.open", passes: "relay.recipient service.config", follows: "relay.spoof relay.sender",
			lived: lived{apart: func(t *testing.T) []plan.Check {
				return verifyExim(t, "  accept hosts = 10.10.10.0/24\n         domains = ! +local_domains\n")
			}}},
		{name: "catch-all", fails: "relay.recipient service.config", lived: postfix("local_recipient_maps=", "luser_relay=mario")},
		{name: "postmaster refused", fails: "account.postmaster service.config", lived: postfix(access("postmaster"))},
		{name: "abuse refused", fails: "account.abuse service.config", lived: postfix(access("abuse"))},
		{name: "VRFY tells who exists", warns: "smtp.vrfy", fails: "service.config", lived: postfix("disable_vrfy_command=no")},
		{name: "the server splits messages (SMTP smuggling)", fails: "smtp.smuggling service.config", lived: postfix("smtpd_forbid_bare_newline=no")},
		{name: "mail leaves through an unwanted smart host", fails: "service.delivery", lived: postfix("relayhost=[smart.example]:587")},
		{name: "a smart host in transport_maps", fails: "service.delivery", lived: postfix("transport_maps=inline:{*=smtp:[smart.example]:587}")},
		{name: "a smart host as default_transport", fails: "service.delivery", lived: postfix("default_transport=smtp:[smart.example]:587")},
		{name: "two connections at a time", passes: "smtp.banner smtp.refusing account.postmaster relay.open relay.recipient", lived: postfix("smtpd_client_connection_count_limit=2")},
		{name: "a setting changed manually", fails: "service.config", lived: postfix("smtpd_tls_auth_only=no")},
		{name: "no STARTTLS", warns: "smtp.starttls", fails: "dane.match", lived: postfix("smtpd_tls_security_level=none")},
		{name: "certificate expired", fails: "smtp.certificate", lived: shows(own, "mail.nomeazienda.it", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })},
		{name: "certificate of another name", fails: "smtp.certificate", lived: shows(own, "www.nomeazienda.it")},
		{name: "certificate that runs out within days", warns: "smtp.certificate", lived: shows(own, "mail.nomeazienda.it", func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(0, 0, 3) })},
		{name: "certificate of an unknown CA", fails: "smtp.certificate", lived: lived{only: dialogs, breaks: func(tw *town) {
			tw.shows(tw.stranger.issue(tw.key, "mail.nomeazienda.it"))
		}}},
		{name: "root account with password root", fails: "account.weak", lived: lived{breaks: func(tw *town) {
			tw.users("mario:{PLAIN}correct horse:65534:65534::\nroot:{PLAIN}root:65534:65534::\n")
		}}},
		{name: "a collector's host that points home", fails: "service.collector", lived: lived{only: "config.hosts", breaks: func(tw *town) {
			tw.record([]string{"update delete pop.nomeazienda.it. A", "update add pop.nomeazienda.it. 60 A " + lab.Public},
				[]string{"update delete pop.nomeazienda.it. A", "update add pop.nomeazienda.it. 60 A " + popServer})
		}}},
	}
}

func messageScenarios() []scenario {
	backup := func(settings ...string) lived {
		return lived{
			only:   "port.egress25",
			breaks: func(tw *town) { tw.change(tw.backup, settings...) },
		}
	}

	return []scenario{
		{name: "mail that is accepted and not delivered", fails: "mail.local mail.read mail.outside", lived: lived{only: "port.source", breaks: func(tw *town) {
			tw.postfix("virtual_alias_maps=inline:{{postmaster@nomeazienda.it = root@localhost}, {abuse@nomeazienda.it = mario}}")
		}}},
		{name: "a password that the mailbox does not have", fails: "mail.read", passes: "mail.local", lived: lived{breaks: func(tw *town) {
			tw.users("mario:{PLAIN}another horse:65534:65534::\n")
		}}},
		{name: "MX to another server", fails: "mx.expected mail.outside", follows: "dns.drift sts.policy", lived: lived{shows: true, breaks: func(tw *town) {
			tw.record([]string{"update delete nomeazienda.it. MX 10 mail.nomeazienda.it.", "update add nomeazienda.it. 3600 MX 10 www.nomeazienda.it."},
				[]string{"update delete nomeazienda.it. MX 10 www.nomeazienda.it.", "update add nomeazienda.it. 3600 MX 10 mail.nomeazienda.it."})
		}}},
		{name: "a record changed manually", fails: "dns.drift", lived: lived{only: "dns", breaks: func(tw *town) {
			tw.record([]string{"update delete _smtp._tls.nomeazienda.it. TXT", `update add _smtp._tls.nomeazienda.it. 3600 TXT "v=TLSRPTv1; rua=mailto:x@nomeazienda.it"`},
				[]string{"update delete _smtp._tls.nomeazienda.it. TXT", `update add _smtp._tls.nomeazienda.it. 3600 TXT "v=TLSRPTv1; rua=mailto:postmaster@nomeazienda.it"`})
		}}},
		{name: "backup MX that relays for networks that are not its own", fails: "mail.backup", lived: backup("mynetworks=127.0.0.0/8, 2.2.2.0/24")},
		{name: "backup MX without a list of recipients", fails: "mail.backup", lived: backup("relay_recipient_maps=")},
		{name: "backup MX without a list, which asks the mail host who is there", passes: "mail.backup", lived: backup("relay_recipient_maps=",
			"transport_maps=inline:{{nomeazienda.it = smtp:[2.2.2.2]}}", "smtpd_recipient_restrictions=reject_unverified_recipient",
			"unverified_recipient_reject_code=550", "address_verify_poll_delay=1s")},
	}
}

// greylists puts a postgrey in front of the mail server that defers everybody for some seconds, until the
// scenario ends. Debian's lists of who is never deferred are left out: postmaster is on them.
func (tw *town) greylists(seconds string) {
	dir := filepath.Join(tw.mail.Root, "postgrey")
	tw.must("lan", "install", "-d", "-o", "postgrey", dir)
	tw.t.Cleanup(func() { os.RemoveAll(dir) })
	tw.background("lan", "postgrey", "--inet=127.0.0.1:10023", "--dbdir="+dir,
		"--delay="+seconds, "--auto-whitelist-clients=0",
		"--whitelist-clients=/dev/null", "--whitelist-recipients=/dev/null")

	tw.eventually("postgrey listens", func() bool {
		_, _, code := tw.on("lan", "socat", "-u", "OPEN:/dev/null", "TCP:127.0.0.1:10023")
		return code == 0
	})

	before := strings.TrimSpace(tw.must("lan", "postconf", "-c", tw.mail.Postfix, "-h",
		"smtpd_recipient_restrictions"))

	tw.postfix("smtpd_recipient_restrictions=" +
		strings.Trim("check_policy_service inet:127.0.0.1:10023, "+before, ", "))
}

// users gives Dovecot other users until the scenario ends.
func (tw *town) users(lines string) {
	before, err := os.ReadFile(tw.mailbox)
	if err != nil {
		tw.t.Fatal(err)
	}

	reload := func(text string) {
		tw.home.write(tw.mailbox, text)
		tw.home.must("lan", "doveadm", "-c", filepath.Clean(tw.mail.Dovecot), "reload")
	}

	tw.t.Cleanup(func() { reload(string(before)) })
	reload(lines)
}

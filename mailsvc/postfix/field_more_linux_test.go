package postfix

import (
	"os/exec"
	"strings"
	"testing"
)

// panelCases are what panels, gateways and hardened servers have, reduced.
func panelCases() []fieldCase {
	const mario, anna = "mario@nomeazienda.it", "anna@nomeazienda.it"
	mailboxes := func(t *testing.T, i *installed) {
		i.write(t, "domains", "nomeazienda.it ok\n", "hash")
		i.write(t, "mailboxes", "mario@nomeazienda.it mario/\nanna@nomeazienda.it anna/\n",
			"hash")
		i.set(t, "virtual_mailbox_domains=hash:"+i.Postfix+"/domains",
			"virtual_mailbox_maps=hash:"+i.Postfix+"/mailboxes",
			"virtual_mailbox_base="+i.Maildir, "virtual_uid_maps=static:65534",
			"virtual_gid_maps=static:65534", "virtual_minimum_uid=1")
	}

	return []fieldCase{
		{
			name: "a panel's mailboxes, lists by a generated table",
			setup: func(t *testing.T, i *installed) {
				mailboxes(t, i)
				i.write(t, "virtual-mailman", "lista@nomeazienda.it lista\nlista-join@nomeazienda.it lista-join\n", "hash")
				i.write(t, "forwards", "info@nomeazienda.it mario@nomeazienda.it\n", "hash")
				i.appendTo(t, i.Root+"/aliases", "lista: |/bin/true\nlista-join: |/bin/true\n")
				run(t, "postalias", "-c", i.Postfix, i.Root+"/aliases")
				i.set(t, "virtual_alias_maps=hash:"+i.Postfix+"/virtual-mailman, proxy:hash:"+i.Postfix+"/forwards")
			},
			accepted: []string{mario, anna, "lista@nomeazienda.it", "lista-join@nomeazienda.it", "info@nomeazienda.it"},
			keeps:    []string{"myorigin", "virtual_mailbox_domains", "virtual_mailbox_maps"},
			arrives:  true,
		},
		{
			name: "a policy service before everything, logins at 587 by their own address",
			setup: func(t *testing.T, i *installed) {
				mailboxes(t, i)
				i.write(t, "owners", "mario@nomeazienda.it mario\nanna@nomeazienda.it anna\n", "hash")
				i.set(t, "smtpd_recipient_restrictions=reject_non_fqdn_recipient, check_policy_service inet:127.0.0.1:7777, permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
					"smtpd_sender_login_maps=hash:"+i.Postfix+"/owners")

				i.submission(t, "smtpd_sender_restrictions=reject_sender_login_mismatch")
				policy(t, i.lab, func(a map[string]string) string {
					if a["sender"] == "anna@nomeazienda.it" && a["sasl_username"] != "anna" {
						return "554 5.7.1 not yours"
					}
					return "DUNNO"
				})
			},
			accepted: []string{mario, anna},
			keeps:    []string{"smtpd_sender_login_maps", "myorigin"},
		},
		{
			name: "ownership of addresses for the machine too",
			setup: func(t *testing.T, i *installed) {
				mailboxes(t, i)
				i.write(t, "owners", "mario@nomeazienda.it mario\nanna@nomeazienda.it anna\n", "hash")
				i.set(t, "smtpd_sender_login_maps=hash:"+i.Postfix+"/owners", "smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch")
				i.submission(t, "smtpd_sender_restrictions=reject_sender_login_mismatch, permit_sasl_authenticated, reject")
			},
			accepted: []string{mario, anna},
			keeps:    []string{"smtpd_sender_login_maps"},
		},
		{
			name: "postscreen in front",
			setup: func(t *testing.T, i *installed) {
				i.postconf(t, "-M#", "smtp/inet")
				i.postconf(t, "-M", "smtp/inet=smtp inet n - n - 1 postscreen", "smtpd/pass=smtpd pass - - n - - smtpd",
					"dnsblog/unix=dnsblog unix - - n - 0 dnsblog", "tlsproxy/unix=tlsproxy unix - - n - 0 tlsproxy")
				i.set(t, "postscreen_access_list=permit_mynetworks", "postscreen_greet_wait=2s", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario},
		},
		{
			name: "a milter that signs, and is down",
			setup: func(t *testing.T, i *installed) {
				i.set(t, "smtpd_milters=inet:127.0.0.1:8891, inet:127.0.0.1:11332", "non_smtpd_milters=inet:127.0.0.1:8891", "milter_default_action=accept",
					"content_filter=", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario},
			keeps:    []string{"smtpd_milters", "non_smtpd_milters"},
		},
		{
			name: "main.cf is mounted by itself, as containers have it",
			setup: func(t *testing.T, i *installed) {
				i.set(t, "mydestination=$myhostname, nomeazienda.it")
				copied := i.Root + "/main.cf.host"
				run(t, "cp", "-p", i.Postfix+"/main.cf", copied)
				run(t, "mount", "--bind", copied, i.Postfix+"/main.cf")
				t.Cleanup(func() { run(t, "umount", i.Postfix+"/main.cf") })
			},
			accepted: []string{mario},
		},
		{
			name: "variables in every list",
			setup: func(t *testing.T, i *installed) {
				i.write(t, "forwards", "info@nomeazienda.it mario\n", "hash")
				i.appendTo(t, i.Postfix+"/main.cf", "our_domains = nomeazienda.it\nour_maps = hash:$config_directory/forwards\nour_hosts = 127.0.0.0/8\n"+
					"virtual_alias_maps = $our_maps\n")
				i.set(t, "mydestination=$myhostname, $our_domains", "mynetworks=$our_hosts, [::1]/128")
			},
			accepted: []string{mario, "info@nomeazienda.it"},
		},
		{
			name: "a gateway that knows the recipients",
			setup: func(t *testing.T, i *installed) {
				i.write(t, "transport", "nomeazienda.it smtp:[10.10.10.99]:25\n", "hash")
				i.write(t, "recipients", "mario@nomeazienda.it ok\nanna@nomeazienda.it ok\n", "hash")
				i.set(t, "relay_domains=nomeazienda.it", "relay_recipient_maps=hash:"+i.Postfix+"/recipients", "transport_maps=hash:"+i.Postfix+"/transport",
					"mydestination=", "local_recipient_maps=", "mynetworks=127.0.0.0/8, 10.10.10.99", "smtpd_relay_restrictions=permit_mynetworks, reject_unauth_destination")
			},
			accepted: []string{mario, anna},
			keeps:    []string{"relay_domains", "relay_recipient_maps", "transport_maps", "mydestination"},
		},
		{
			name: "a panel's tables in SQLite, by proxymap",
			setup: func(t *testing.T, i *installed) {
				db := i.Postfix + "/panel.db"
				run(t, "sh", "-c", "sqlite3 "+db+" \"CREATE TABLE domain (name); INSERT INTO domain VALUES ('nomeazienda.it');"+
					"CREATE TABLE mailbox (address, path); INSERT INTO mailbox VALUES ('mario@nomeazienda.it', 'mario/');"+
					"CREATE TABLE alias (address, goto); INSERT INTO alias VALUES ('info@nomeazienda.it', 'mario@nomeazienda.it')\"; chmod 644 "+db)

				for name, query := range map[string]string{"domains": "name FROM domain WHERE name", "mailboxes": "path FROM mailbox WHERE address", "aliases": "goto FROM alias WHERE address"} {
					i.write(t, name+".cf", "dbpath = "+db+"\nquery = SELECT "+query+" = '%s'\n")
				}

				i.set(t, "virtual_mailbox_domains=proxy:sqlite:"+i.Postfix+"/domains.cf", "virtual_mailbox_maps=proxy:sqlite:"+i.Postfix+"/mailboxes.cf",
					"virtual_alias_maps=proxy:sqlite:"+i.Postfix+"/aliases.cf", "virtual_mailbox_base="+i.Maildir, "virtual_uid_maps=static:65534", "virtual_gid_maps=static:65534")
			},
			accepted: []string{mario, "info@nomeazienda.it"},
			keeps:    []string{"virtual_mailbox_domains", "virtual_mailbox_maps"},
			arrives:  true,
		},
		{
			name: "a catch-all, and a domain that stands for another",
			setup: func(t *testing.T, i *installed) {
				i.write(t, "virtual", "@nomeazienda.it mario\n@vecchia.it @nomeazienda.it\n", "hash")
				i.set(t, "virtual_alias_domains=nomeazienda.it, vecchia.it", "virtual_alias_maps=hash:"+i.Postfix+"/virtual")
			},
			accepted: []string{mario, anna, "chiunque@nomeazienda.it", "info@vecchia.it"},
			keeps:    []string{"virtual_alias_domains"},
			arrives:  true,
		},
		{
			name: "TLS first, strict envelopes, names in EHLO",
			setup: func(t *testing.T, i *installed) {
				i.set(t, "smtpd_tls_security_level=encrypt", "strict_rfc821_envelopes=yes", "smtpd_helo_required=yes",
					"smtpd_helo_restrictions=permit_mynetworks, reject_invalid_helo_hostname", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario},
			keeps:    []string{"smtpd_tls_security_level", "strict_rfc821_envelopes"},
		},
		{
			name: "a policy that puts off whom it does not know",
			setup: func(t *testing.T, i *installed) {
				i.set(t, "smtpd_recipient_restrictions=permit_mynetworks, check_policy_service inet:127.0.0.1:7777", "mydestination=$myhostname, nomeazienda.it")
				seen := map[string]bool{}
				var lock = make(chan struct{}, 1)
				policy(t, i.lab, func(a map[string]string) string {
					lock <- struct{}{}
					defer func() { <-lock }()

					triple := a["client_address"] + a["sender"] + a["recipient"]
					if !seen[triple] {
						seen[triple] = true
						return "DEFER_IF_PERMIT greylisted"
					}

					return "DUNNO"
				})
			},
			accepted: []string{mario},
		},
		{
			name: "root's mail by myorigin, which no plan touches",
			setup: func(t *testing.T, i *installed) {
				i.write(t, "virtual", "root@nomeazienda.it mario\nmario@nomeazienda.it mario@vm\n", "hash")
				i.set(t, "myorigin=nomeazienda.it", "virtual_alias_domains=nomeazienda.it", "virtual_alias_maps=hash:"+i.Postfix+"/virtual")
			},
			accepted: []string{mario},
			keeps:    []string{"myorigin"},
		},
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

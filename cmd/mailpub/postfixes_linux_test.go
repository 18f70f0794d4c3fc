package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
)

// postfixOf is a Postfix of the town's.
type postfixOf struct {
	*lab.MailServer
	host, addr string // where it runs, and listens at port 25
	stale      bool   // it does not go by its settings yet
}

// openBackup starts the backup MX, which takes the domain's mail for recipients that it has a list of.
func (tw *town) openBackup(t testing.TB) {
	t.Helper()
	tw.set(tw.backup, "myhostname=backup.example", "mydestination=",
		"inet_interfaces="+backupServer, "inet_protocols=ipv4",
		"relay_domains=nomeazienda.it", "relay_recipient_maps=inline:{{postmaster@nomeazienda.it = ok}, {abuse@nomeazienda.it = ok}, {mario@nomeazienda.it = ok}}",
		"smtpd_relay_restrictions=permit_mynetworks, reject_unauth_destination",
		"mynetworks=127.0.0.0/8")
	tw.backup.StartPostfix(t, tw.lab, tw.backup.host)
}

// postfix changes settings of the mail server, each "name=value", until the scenario ends.
func (tw *town) postfix(settings ...string) {
	tw.t.Helper()
	tw.change(tw.mail, settings...)
}

// change changes settings of a Postfix until the scenario ends.
func (tw *town) change(p *postfixOf, settings ...string) {
	tw.t.Helper()
	main := filepath.Join(p.Postfix, "main.cf")
	before, err := os.ReadFile(main)
	if err != nil {
		tw.t.Fatal(err)
	}

	tw.t.Cleanup(func() {
		tw.home.write(main, string(before))
		p.stale = true
	})

	tw.set(p, settings...)
	tw.reload(p)
}

// set writes settings of a Postfix, and makes the file look old: its programs wait while it is
// younger than a second.
func (tw *town) set(p *postfixOf, settings ...string) {
	tw.t.Helper()
	main := filepath.Join(p.Postfix, "main.cf")
	old := time.Now().Add(-time.Minute)

	if len(settings) > 0 {
		tw.must(p.host, append([]string{"postconf", "-c", p.Postfix, "-e"}, settings...)...)
	}

	if err := os.Chtimes(main, old, old); err != nil {
		tw.t.Fatal(err)
	}
}

// reload has a Postfix read its settings, and returns when it goes by them: the end of its greeting
// tells.
func (tw *town) reload(p *postfixOf) {
	tw.t.Helper()
	tw.set(p)
	p.stale = false
	n := fmt.Sprintf(" ESMTP %d", tw.banners.Add(1))
	now := strings.TrimSpace(tw.must(p.host, "postconf", "-c", p.Postfix, "-h", "smtpd_banner"))
	name, _, _ := strings.Cut(now, " ")
	tw.set(p, "smtpd_banner="+name+n)
	tw.must(p.host, "postfix", "-c", p.Postfix, "reload")
	tw.eventually("Postfix has read its settings", func() bool {
		conn, err := tw.lab.Dial(p.host)(tw.t.Context(), "tcp", p.addr+":25")
		if err != nil {
			return false
		}

		defer conn.Close()

		conn.SetDeadline(time.Now().Add(2 * time.Second))
		greeting, _ := bufio.NewReader(conn).ReadString('\n')
		return strings.HasSuffix(strings.TrimSpace(greeting), n)
	})
}

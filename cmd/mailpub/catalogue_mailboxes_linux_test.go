package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mailpub/mailpub/mailsvc/mailbox/mailboxtest"
	"github.com/mailpub/mailpub/plan"
)

// vantage is a site with a mailbox elsewhere: what becomes of a message out and of one in.
type vantage struct {
	fields  []string           // edits of the fields that the provider writes: "old => new"
	folder  string             // where the provider puts it; "" is the inbox
	refused error              // the site's own server takes nothing
	out     func(*world) error // in the place of what becomes of a message out
	in      func(*world) error // and in
	reports []string           // that lie in the postmaster's Maildir
	only    string             // what is asked
	edits   []string           // of the config

	resolver string // "" is one that serves the SPF record
}

// world is what the hooks of a vantage have in hand.
type world struct {
	dir            string
	home, provider *mailboxtest.Provider
	message        []byte // that was handed in
	fields, folder string
}

const providerFields = "Return-Path: <postmaster@nomeazienda.it>\r\n" +
	"Authentication-Results: mx.provider.example; spf=pass smtp.mailfrom=nomeazienda.it; dkim=pass header.d=nomeazienda.it header.s=mail; dmarc=pass header.from=nomeazienda.it\r\n" +
	"Received: from mail.nomeazienda.it (mail.nomeazienda.it [2.2.2.2])\r\n\tby mx.provider.example (Postfix) with ESMTPS id 1; Sun, 29 Nov 2026 19:00:01 +0100\r\n"

func mailboxScenarios() []scenario {
	const all = "outbound.delivered outbound.source outbound.spf outbound.dkim outbound.dmarc outbound.tls outbound.folder"
	from := func(v vantage) func(*testing.T) []plan.Check {
		return func(t *testing.T) []plan.Check { return v.verify(t) }
	}

	return []scenario{
		{name: "a mailbox elsewhere: a message out and one in", passes: all + " mail.outside", lived: lived{apart: from(vantage{})}},
		{name: "a mailbox elsewhere: returned there, the port is closed", fails: "mail.outside", passes: all,
			lived: lived{apart: from(vantage{in: bounced("connect to mail.nomeazienda.it[2.2.2.2]:25: Connection refused")})}},
		{name: "a mailbox elsewhere: returned there, relaying denied", fails: "mail.outside", passes: all,
			lived: lived{apart: from(vantage{in: bounced("550 5.7.1 <postmaster@nomeazienda.it>: Relay access denied")})}},
		{name: "a mailbox elsewhere: greylisted for longer than verify waits", warns: "mail.outside", passes: all,
			lived: lived{apart: from(vantage{in: func(*world) error { return nil }, edits: []string{"patience: 20s => patience: 2s"}})}},
		{name: "a mailbox elsewhere: a login that is refused", skips: "mail.outside " + all, lived: lived{apart: from(vantage{edits: []string{"file:provider.txt => file:wrong.txt"}})}},
		{name: "mail out is refused by the site's own server", fails: "outbound.delivered", passes: "mail.outside",
			lived: lived{apart: from(vantage{refused: &smtp.SMTPError{Code: 554, Message: "no"}})}},
		{name: "mail out is returned for want of a PTR", fails: "outbound.delivered", passes: "mail.outside", lived: lived{apart: from(vantage{out: returnedHere})}},
		{name: "mail out leaves by another address", fails: "outbound.source", passes: "outbound.delivered", lived: lived{apart: from(vantage{fields: []string{"[2.2.2.2] => [203.0.113.7]"}})}},
		{name: "mail out leaves from an undeclared IPv6 address", fails: "outbound.source", passes: "outbound.delivered",
			lived: lived{apart: from(vantage{fields: []string{"[2.2.2.2] => [IPv6:2001:db8::7]"}})}},
		{name: "mail out fails SPF", fails: "outbound.spf", passes: "outbound.dkim outbound.dmarc", lived: lived{apart: from(vantage{fields: []string{"spf=pass => spf=fail"}})}},
		{name: "mail out is changed in transit", fails: "outbound.dkim", passes: "outbound.spf", lived: lived{apart: from(vantage{fields: []string{"dkim=pass => dkim=fail"}})}},
		{name: "mail out bears no signature", warns: "outbound.dkim", passes: "outbound.spf outbound.dmarc",
			lived: lived{apart: from(vantage{fields: []string{"dkim=pass header.d=nomeazienda.it header.s=mail;  => "}})}},
		{name: "mail out fails DMARC", fails: "outbound.spf outbound.dkim outbound.dmarc",
			lived: lived{apart: from(vantage{fields: []string{"spf=pass => spf=softfail", "dkim=pass => dkim=fail", "dmarc=pass => dmarc=fail"}})}},
		{name: "mail out is taken for spam", warns: "outbound.folder", passes: "outbound.delivered outbound.spf", lived: lived{apart: from(vantage{folder: mailboxtest.Spam})}},
		{name: "mail out goes in the clear", warns: "outbound.tls", passes: "outbound.delivered", lived: lived{apart: from(vantage{fields: []string{"with ESMTPS => with ESMTP"}})}},
		{name: "mail out: the provider does not say whether it came encrypted", skips: "outbound.tls", passes: "outbound.delivered",
			lived: lived{apart: from(vantage{fields: []string{"(Postfix) with ESMTPS => with ESMTP"}})}},
		{name: "reports: our own mail fails at others", fails: "dmarc.senders", passes: "tlsrpt.failures",
			lived: lived{apart: from(vantage{only: "dmarc.senders,tlsrpt.failures", reports: []string{dmarcReport("2.2.2.2", "fail"), tlsReport(9, 0)}})}},
		{name: "reports: an unknown sender passes", warns: "dmarc.senders tlsrpt.failures",
			lived: lived{apart: from(vantage{only: "dmarc.senders,tlsrpt.failures", reports: []string{dmarcReport("203.0.113.9", "pass"), tlsReport(9, 1)}})}},
		{name: "reports: a service that the SPF record lists", passes: "dmarc.senders tlsrpt.failures",
			lived: lived{apart: from(vantage{only: "dmarc.senders,tlsrpt.failures", reports: []string{dmarcReport("198.51.100.7", "pass"), tlsReport(9, 0)}})}},
		{name: "reports: the SPF record can't be looked up", skips: "dmarc.senders", passes: "tlsrpt.failures",
			lived: lived{apart: from(vantage{only: "dmarc.senders,tlsrpt.failures", resolver: "127.0.0.1:1", reports: []string{dmarcReport("203.0.113.9", "pass"), tlsReport(9, 0)}})}},
		{name: "reports: all is well, and forgeries fail", passes: "dmarc.senders tlsrpt.failures",
			lived: lived{apart: from(vantage{only: "dmarc.senders,tlsrpt.failures", reports: []string{dmarcReport("2.2.2.2", "pass"), dmarcReport("203.0.113.9", "fail"), tlsReport(9, 0)}})}},
		{name: "reports: no sender reached the mail host over TLS", fails: "tlsrpt.failures", passes: "dmarc.senders",
			lived: lived{apart: from(vantage{only: "dmarc.senders,tlsrpt.failures", reports: []string{dmarcReport("2.2.2.2", "pass"), tlsReport(0, 4)}})}},
	}
}

// bounced puts a bounce into the mailbox elsewhere.
func bounced(diagnostic string) func(*world) error {
	return func(w *world) error {
		return w.provider.Put("INBOX", bounceOf(w.message, diagnostic))
	}
}

// returnedHere puts a bounce into the postmaster's mailbox here.
func returnedHere(w *world) error {
	return w.store(bounceOf(w.message, "550 5.7.25 the sending address has no PTR record"))
}

func bounceOf(message []byte, diagnostic string) []byte {
	return []byte("Return-Path: <>\r\nFrom: MAILER-DAEMON@x.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n" +
		"Content-Type: text/plain\r\n\r\nIt could not be delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.example\r\n\r\n" +
		"Final-Recipient: rfc822; x@y\r\nAction: failed\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; " +
		diagnostic + "\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + string(message) +
		"\r\n--b--\r\n")
}

// store puts a message into the postmaster's mailbox.
func (w *world) store(message []byte) error {
	return os.WriteFile(filepath.Join(w.dir, "mail", "mario", "new",
		fmt.Sprint(time.Now().UnixNano())), message, 0o600)
}

// verify runs the checks on a site whose server and provider are the test's.
func (v vantage) verify(t *testing.T) []plan.Check {
	w := &world{
		dir:      t.TempDir(),
		home:     mailboxtest.Start(t, nil, nil),
		provider: mailboxtest.Start(t, nil, nil),
		fields:   providerFields,
		folder:   "INBOX",
	}

	for _, e := range v.fields {
		old, changed, _ := strings.Cut(e, " => ")
		if !strings.Contains(w.fields, old) {
			t.Fatalf("no %q in the fields", old)
		}
		w.fields = strings.Replace(w.fields, old, changed, 1)
	}

	if v.folder != "" {
		w.folder = v.folder
	}

	w.home.Handed = func(_, _ string, message []byte) error {
		own := *w
		own.message = message
		switch {
		case v.refused != nil:
			return v.refused
		case v.out != nil:
			return v.out(&own)
		}

		return w.provider.Put(w.folder, append([]byte(w.fields), message...))
	}

	w.provider.Handed = func(_, _ string, message []byte) error {
		own := *w
		own.message = message
		err := w.provider.Put("Sent", message)

		if v.in != nil {
			return errors.Join(err, v.in(&own))
		}

		return errors.Join(err, own.store(append([]byte("Received: from mx.provider.example (mx.provider.example [203.0.113.5]) by mail.nomeazienda.it with ESMTPS id 2; x\r\n"),
			message...)))
	}

	w.write(t, v)
	only := v.only
	if only == "" {
		only = "mail.outside,outbound.delivered,outbound.source,outbound.spf,outbound.dkim,outbound.dmarc,outbound.tls,outbound.folder"
	}

	var out, errs bytes.Buffer
	code := newApp(strings.NewReader(""), &out, &errs).execute(t.Context(),
		[]string{"-c", filepath.Join(w.dir, "mailpub.yaml"), "--json", "verify", "--only",
			only})

	var report struct{ Checks []plan.Check }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || code == exitFailed {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out.String(), errs.String())
	}

	if v.only == "" && len(v.edits) == 0 && (w.provider.Count("INBOX")+w.provider.Count("Sent")+
		w.provider.Count(mailboxtest.Spam) != 0) {
		t.Errorf("test messages were left at the provider: %d, %d, %d",
			w.provider.Count("INBOX"), w.provider.Count("Sent"),
			w.provider.Count(mailboxtest.Spam))
	}

	return report.Checks
}

func (w *world) write(t *testing.T, v vantage) {
	t.Helper()
	files := map[string]string{
		"provider.txt": mailboxtest.Password, "wrong.txt": "wrong",
		"mailpub.yaml": edited(t, fmt.Sprintf(`site: vantage
server: {hostname: mail.nomeazienda.it, address: 127.0.0.1, public: {ipv4: 2.2.2.2}}
domains: [{name: nomeazienda.it}]
zones: [{name: nomeazienda.it, provider: manual}]
router: {protocol: none, forwards: [{name: smtp, port: 25, internal: 1}]}
service: {type: manual, maildir: mail}
verify:
  resolvers: ["%[5]s"]
  mailboxes: [{address: %[1]s, submission: "%[2]s", imap: "%[3]s", password: "file:provider.txt"}]
  outbound: {submission: "%[4]s", user: %[1]s, password: "file:provider.txt"}
  patience: 20s
  reports: {maildir: mail/mario}
`, mailboxtest.User, w.provider.Submission, w.provider.IMAP, w.home.Submission,
			cmp.Or(v.resolver, spfServer(t))), v.edits),
	}

	if err := os.MkdirAll(filepath.Join(w.dir, "mail", "mario", "new"), 0o700); err != nil {
		t.Fatal(err)
	}

	for name, text := range files {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	for _, report := range v.reports {
		if err := w.store([]byte(report)); err != nil {
			t.Fatal(err)
		}
	}
}

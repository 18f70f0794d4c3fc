package roundtrip

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n"))
}

// found are messages as providers hand them out, anonymised: their own fields on top, then those that the
// site's server wrote.
var found = map[string]string{
	"Google": `
Delivered-To: somebody@gmail.com
Received: by 2002:a05:7300:1b1c:b0:120:1234:5678 with SMTP id x28csp123456dyk;
        Sun, 29 Nov 2026 10:00:02 -0800 (PST)
X-Received: by 2002:a05:600c:4709 with SMTP id abc; Sun, 29 Nov 2026 10:00:01 -0800 (PST)
Authentication-Results: mx.google.com;
       dkim=pass header.i=@nomeazienda.it header.s=mail header.b=AbCdEfGh;
       spf=pass (google.com: domain of postmaster@nomeazienda.it designates 2.2.2.2 as permitted sender) smtp.mailfrom=postmaster@nomeazienda.it;
       dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=nomeazienda.it
Received: from mail.nomeazienda.it (mail.nomeazienda.it. [2.2.2.2])
        by mx.google.com with ESMTPS id 5b1f17b1804b1-4321
        for <somebody@gmail.com>
        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);
        Sun, 29 Nov 2026 10:00:01 -0800 (PST)
Received: from laptop (unknown [10.10.10.20]) by mail.nomeazienda.it (Postfix) with ESMTPSA id 4X; Sun, 29 Nov 2026 19:00:00 +0100
Subject: x

`,
	"Exchange Online": `
Received: from AM0PR01MB1234.eurprd01.prod.exchangelabs.com (2603:10a6:208::1) by
 DB8PR01MB5678.eurprd01.prod.exchangelabs.com with HTTPS; Sun, 29 Nov 2026 18:00:03 +0000
Received: from AM5EUR02FT001.eop-EUR02.prod.protection.outlook.com
 (2603:10a6:20b:1::1) by AM0PR01MB1234.outlook.office365.com (2603:10a6:208::2)
 with Microsoft SMTP Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20; Sun, 29 Nov 2026 18:00:02 +0000
Authentication-Results: spf=pass (sender IP is 2.2.2.2)
 smtp.mailfrom=nomeazienda.it; dkim=pass (signature was verified)
 header.d=nomeazienda.it;dmarc=pass action=none
 header.from=nomeazienda.it;compauth=pass reason=100
Received: from mail.nomeazienda.it (2.2.2.2) by
 AM5EUR02FT001.mail.protection.outlook.com (10.152.1.1) with Microsoft
 SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20 via Frontend Transport; Sun, 29 Nov 2026 18:00:01 +0000
Subject: x

`,
	"GMX": `
Return-Path: <postmaster@nomeazienda.it>
Authentication-Results: gmx.net; dkim=pass header.i=@nomeazienda.it
Authentication-Results: gmx.net; spf=pass smtp.mailfrom=postmaster@nomeazienda.it; dmarc=pass header.from=nomeazienda.it
Received: from mail.nomeazienda.it ([2.2.2.2]) by mx-ha.gmx.net (mxgmx106
 [212.227.17.5]) with ESMTPS (Nemesis) id 1MXg-1x for <somebody@gmx.net>; Sun, 29
 Nov 2026 19:00:01 +0100
Subject: x

`,
	"a Postfix with OpenDKIM and OpenDMARC": `
Return-Path: <postmaster@nomeazienda.it>
Received: by mail.provider.example (Postfix, from userid 5000) id 4Y; Sun, 29 Nov 2026 19:00:02 +0100 (CET)
Authentication-Results: mail.provider.example;
	dkim=pass (2048-bit key; unprotected) header.d=nomeazienda.it header.i=@nomeazienda.it header.a=rsa-sha256 header.s=mail header.b=x;
	dkim-atps=neutral
Authentication-Results: OpenDMARC; dmarc=pass (p=none dis=none) header.from=nomeazienda.it
Authentication-Results: mail.provider.example; spf=pass smtp.mailfrom=nomeazienda.it
Received: from mail.nomeazienda.it (mail.nomeazienda.it [2.2.2.2])
	(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
	(No client certificate requested)
	by mail.provider.example (Postfix) with ESMTPS id 4X
	for <somebody@provider.example>; Sun, 29 Nov 2026 19:00:01 +0100 (CET)
Subject: x

`,
	"Exim": `
Return-path: <postmaster@nomeazienda.it>
Authentication-Results: mx.hoster.example; iprev=pass (mail.nomeazienda.it) smtp.remote-ip=2.2.2.2; spf=pass smtp.mailfrom=nomeazienda.it; dkim=pass header.d=nomeazienda.it header.s=mail; dmarc=pass header.from=nomeazienda.it
Received: from [2.2.2.2] (helo=mail.nomeazienda.it)
	by mx.hoster.example with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384
	(Exim 4.96) (envelope-from <postmaster@nomeazienda.it>) id 1x-2y
	for somebody@hoster.example; Sun, 29 Nov 2026 19:00:01 +0100
Subject: x

`,
}

func outward(message []byte) OutboundTest {
	return OutboundTest{
		Mailbox: "somebody@provider.example",
		From:    "postmaster@nomeazienda.it",
		Sources: []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		Message: message,
		Folder:  "INBOX",
		Waited:  time.Minute,
	}
}

func statuses(checks []plan.Check) map[string]plan.Status {
	all := map[string]plan.Status{}
	for _, c := range checks {
		all[c.ID] = c.Status
	}
	return all
}

// A healthy message passes everywhere, as each provider writes it.
func TestHealthy(t *testing.T) {
	for provider, text := range found {
		for _, c := range outward(crlf(text)).Checks() {
			if c.Status != plan.Pass {
				t.Errorf("%s: %s %s: %s", provider, c.Status, c.ID, c.Got)
			}
		}
	}
}

// Each thing that is wrong is a finding of its own, and what a message brought along is not believed.
func TestBroken(t *testing.T) {
	google := found["Google"]
	for _, c := range []struct {
		name, text, id string
		want           plan.Status
		got            string
		change         func(*OutboundTest)
	}{
		{"SPF fails", strings.Replace(google, "spf=pass", "spf=fail", 1), catalog.OutboundSPF, plan.Fail, "fail", nil},
		{"SPF softfail", strings.Replace(google, "spf=pass", "spf=softfail", 1), catalog.OutboundSPF, plan.Fail, "softfail", nil},
		{"SPF could not be looked up", strings.Replace(google, "spf=pass", "spf=temperror", 1), catalog.OutboundSPF, plan.Warn, "temperror", nil},
		{"DKIM broken in transit", strings.Replace(google, "dkim=pass", "dkim=fail (body hash did not verify)", 1), catalog.OutboundDKIM, plan.Fail, "fail", nil},
		{"DKIM broken, as OpenDKIM writes it", strings.Replace(google, "dkim=pass", "dkim=fail reason=\"signature verification failed; sorry\" (2048-bit key)", 1), catalog.OutboundDKIM, plan.Fail, "fail (signature verification failed, sorry)", nil},
		{"no signature", strings.Replace(google, "dkim=pass header.i=@nomeazienda.it header.s=mail header.b=AbCdEfGh;\n       ", "", 1), catalog.OutboundDKIM, plan.Warn, "no signature of nomeazienda.it", nil},
		{"another's signature", strings.Replace(google, "header.i=@nomeazienda.it", "header.i=@smarthost.example", 1), catalog.OutboundDKIM, plan.Warn, "no signature", nil},
		{"DMARC fails", strings.Replace(google, "dmarc=pass", "dmarc=fail", 1), catalog.OutboundDMARC, plan.Fail, "fail", nil},
		{"no DMARC record", strings.Replace(google, "dmarc=pass", "dmarc=none", 1), catalog.OutboundDMARC, plan.Warn, "no DMARC record", nil},
		{"another way out", strings.ReplaceAll(google, "[2.2.2.2]", "[203.0.113.9]"), catalog.OutboundSource, plan.Fail, "203.0.113.9", nil},
		{"IPv6 that nobody knows", strings.ReplaceAll(google, "[2.2.2.2]", "[IPv6:2001:db8::9]"), catalog.OutboundSource, plan.Fail, "2001:db8::9", nil},
		{"a smart host", strings.ReplaceAll(google, "[2.2.2.2]", "[203.0.113.9]"), catalog.OutboundSource, plan.Pass, "203.0.113.9", func(o *OutboundTest) { o.Relay = "smtp.isp.example:587" }},
		{"in the clear", strings.NewReplacer("with ESMTPS id", "with ESMTP id", "(version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256)", "").Replace(google), catalog.OutboundTLS, plan.Warn, "unencrypted", nil},
		{"spam", google, catalog.OutboundFolder, plan.Warn, "[Gmail]/Spam", func(o *OutboundTest) {
			o.Spam = true
			o.Folder = "[Gmail]/Spam"
		}},
		{"results of somebody else", strings.ReplaceAll(google, "Authentication-Results: mx.google.com", "Authentication-Results: mail.nomeazienda.it"), catalog.OutboundSPF, plan.Skip, "gives no result", nil},
		{"results that the message brought along", strings.Replace(strings.Replace(google, "Authentication-Results: mx.google.com", "X-Moved: x", 1), "Subject: x", "Authentication-Results: mx.google.com; spf=pass smtp.mailfrom=x\nSubject: x", 1),
			catalog.OutboundSPF, plan.Skip, "gives no result", nil},
		{"refused here", "", catalog.OutboundDelivered, plan.Fail, "did not take it: 554 no", func(o *OutboundTest) {
			o.Message = nil
			o.Refused = errors.New("554 no")
		}},
		{"lost", "", catalog.OutboundDelivered, plan.Fail, "not there after 1m0s", func(o *OutboundTest) { o.Message = nil }},
		{"returned", "", catalog.OutboundDelivered, plan.Fail, "returned: mx.example: 550 5.7.25 The IP address sending this message does not have a PTR record", func(o *OutboundTest) {
			o.Message = nil
			o.Bounce = &Bounce{Action: "failed", Remote: "mx.example", Diagnostic: "550 5.7.25 The IP address sending this message does not have a PTR record"}
		}},
		{"late", "", catalog.OutboundDelivered, plan.Warn, "still in the queue of the site's server after 1m0s: 451 4.7.1 Greylisted", func(o *OutboundTest) {
			o.Message = nil
			o.Bounce = &Bounce{Action: "delayed", Diagnostic: "451 4.7.1 Greylisted"}
		}},
		{"waits here", "", catalog.OutboundDelivered, plan.Warn, "still in the queue of the site's server after 1m0s: host mx.example[192.0.2.1] said: 450 4.2.0 Greylisted", func(o *OutboundTest) {
			o.Message = nil
			o.Queued = "host mx.example[192.0.2.1] said: 450 4.2.0 Greylisted"
		}},
		{"can't leave", "", catalog.OutboundDelivered, plan.Fail, "connect to mx.example[192.0.2.1]:25: Connection timed out", func(o *OutboundTest) {
			o.Message = nil
			o.Queued = "connect to mx.example[192.0.2.1]:25: Connection timed out"
		}},
	} {
		o := outward(crlf(c.text))
		if c.change != nil {
			c.change(&o)
		}

		for _, is := range o.Checks() {
			if is.ID == c.id && (is.Status != c.want || !strings.Contains(is.Got, c.got)) {
				t.Errorf("%s: %s %s: %s; want %s with %q", c.name, is.Status, is.ID, is.Got,
					c.want, c.got)
			}
			if is.Status != plan.Pass && is.Hint == "" {
				t.Errorf("%s: %s has no hint", c.name, is.ID)
			}
		}

		if got := statuses(o.Checks()); len(got) != 7 {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

const report = `
Return-Path: <>
From: MAILER-DAEMON@provider.example
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; provider.example
X-Postfix-Queue-ID: 4X

Final-Recipient: rfc822; postmaster@nomeazienda.it
Original-Recipient: rfc822;postmaster@nomeazienda.it
Action: ACTION
Status: 5.4.1
DIAGNOSTIC

--b
Content-Type: message/rfc822

Subject: mailpub test nonce
X-Y: 550 not this

550 not that either
--b--
`

func TestBounces(t *testing.T) {
	dsn := func(action, diagnostic string) string {
		return strings.NewReplacer("ACTION", action, "DIAGNOSTIC", diagnostic).Replace(report)
	}

	for _, c := range []struct {
		name, text string
		ok, failed bool
		words      string
	}{
		{"Postfix, refused", dsn("failed", "Remote-MTA: dns; mail.nomeazienda.it\nDiagnostic-Code: smtp; 550 5.7.1 <postmaster@nomeazienda.it>:\n    Relay access denied"), true, true, "mail.nomeazienda.it: 550 5.7.1 <postmaster@nomeazienda.it>: Relay access denied"},
		{"Postfix, nothing listens", dsn("failed", "Diagnostic-Code: X-Postfix; connect to mail.nomeazienda.it[2.2.2.2]:25: Connection\n    refused"), true, true, "connect to mail.nomeazienda.it[2.2.2.2]:25: Connection refused"},
		{"late", dsn("delayed", "Diagnostic-Code: smtp; 451 4.7.1 Greylisting in action"), true, false, "451 4.7.1 Greylisting in action"},
		{"without a diagnostic", dsn("Failed", "X-Nothing: here"), true, true, "5.4.1"},
		{"qmail", "From: MAILER-DAEMON@x.example\nContent-Type: text/plain\n\nHi. This is the qmail-send program at x.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n<postmaster@nomeazienda.it>:\n2.2.2.2 does not like recipient.\nRemote host said: 550 5.1.1 no such user\nGiving up on 2.2.2.2.\n", true, true, "550 5.1.1 no such user"},
		{"Exim", "Return-path: <>\nFrom: Mail Delivery System <Mailer-Daemon@x.example>\nContent-Type: text/plain\n\nA message that you sent could not be delivered to one or more of its recipients.\n\n  postmaster@nomeazienda.it\n    host mail.nomeazienda.it [2.2.2.2]\n    retry time not reached for any host\n", true, true, "could not be delivered"},
		{"an answer of a person", "From: anna@x.example\nContent-Type: text/plain\n\nI got 550 of these, thanks.\n", false, false, ""},
		{"a read receipt", "Return-Path: <>\nFrom: MAILER-DAEMON@x\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nread\n--b--\n", false, false, ""},
		{"out of office", "Return-Path: <>\nFrom: mario@x.example\nAuto-Submitted: auto-replied\nContent-Type: text/plain\n\nBack on Monday.\n", false, false, ""},
		{"nothing", "", false, false, ""},
		{"binary", "\x00\xff\x16\x03", false, false, ""},
	} {
		b, ok := ReadBounce(crlf(c.text))
		if ok != c.ok || ok && (b.Failed() != c.failed ||
			!strings.Contains(b.summary(), c.words)) {
			t.Errorf("%s: %+v %v, want %q", c.name, b, ok, c.words)
		}
	}
}

func TestInward(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("2.2.2.2")}
	for _, c := range []struct {
		name string
		in   InboundTest
		want plan.Status
		got  string
		hint string
	}{
		{"arrived", InboundTest{Arrived: "/mail/mario/new/1", Message: crlf("\nReceived: from mx.provider.example (mx [203.0.113.5]) by mail.nomeazienda.it with ESMTPS; x\nReceived: from me by mx.provider.example with ESMTPSA; x\n\n")}, plan.Pass,
			"arrived in /mail/mario/new/1; by mx.provider.example under TLS, then mail.nomeazienda.it from 203.0.113.5 under TLS", ""},
		{"port closed", InboundTest{Bounce: &Bounce{Action: "failed", Diagnostic: "connect to mail.nomeazienda.it[2.2.2.2]:25: Connection refused"}}, plan.Fail, "returned to", "router.forward"},
		{"kept shut", InboundTest{Bounce: &Bounce{Action: "failed", Diagnostic: "connect to 2.2.2.2: Operation timed out"}}, plan.Fail, "timed out", "blocks it"},
		{"greylisted, and arrived", InboundTest{Arrived: "/mail/1", Waited: 40 * time.Second}, plan.Pass, "arrived in /mail/1; it took 40 s (a queue, or greylisting)", ""},
		{"another server's port", InboundTest{Own: own, Bounce: &Bounce{Action: "failed", Diagnostic: "connect to www.nomeazienda.it[192.0.2.9]:25: Connection refused"}}, plan.Fail, "refused", "went to www.nomeazienda.it 192.0.2.9, which is not"},
		{"our own port", InboundTest{Own: own, Bounce: &Bounce{Action: "failed", Diagnostic: "connect to mail.nomeazienda.it[2.2.2.2]:25: Connection refused"}}, plan.Fail, "refused", "port 25 is not open outside"},
		{"another server refuses", InboundTest{Own: own, Bounce: &Bounce{Action: "failed", Remote: "mx.old.example", Diagnostic: "host mx.old.example[192.0.2.9] said: 550 5.1.1 user unknown"}}, plan.Fail, "unknown", "went to mx.old.example 192.0.2.9"},
		{"MX to the provider", InboundTest{Own: own, Bounce: &Bounce{Action: "failed", Diagnostic: "mail for nomeazienda.it loops back to myself"}}, plan.Fail, "loops", "to itself"},
		{"wrong MX", InboundTest{Bounce: &Bounce{Action: "failed", Diagnostic: "Host or domain name not found"}}, plan.Fail, "not found", "mx.exists"},
		{"unknown here", InboundTest{Bounce: &Bounce{Action: "failed", Diagnostic: "550 5.1.1 user unknown"}}, plan.Fail, "user unknown", "account.postmaster"},
		{"late", InboundTest{Bounce: &Bounce{Action: "delayed", Diagnostic: "451 greylisted"}}, plan.Warn, "late", "patience"},
		{"waiting", InboundTest{Waited: time.Minute}, plan.Warn, "not here after 1m0s", "patience"},
		{"the provider's login", InboundTest{Refused: errors.New("535 no")}, plan.Skip, "did not take it: 535 no", "verify.mailboxes"},
		{"nobody can look", InboundTest{Unread: "the mailbox can't be read from here"}, plan.Skip, "sent;", "service.maildir"},
	} {
		is := c.in.Check()
		if is.Status != c.want || !strings.Contains(is.Got, c.got) ||
			!strings.Contains(is.Hint, c.hint) || is.ID != catalog.MailOutside {
			t.Errorf("%s: %s %s %q (%s)", c.name, is.Status, is.ID, is.Got, is.Hint)
		}
	}
}

// Nothing that a stranger sends breaks the readers.
func FuzzMessage(f *testing.F) {
	for _, text := range found {
		f.Add(crlf(text))
	}

	f.Add(crlf(report))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		ReadTrace(raw).Results()
		outward(raw).Checks()
		if b, ok := ReadBounce(raw); ok {
			InboundTest{Bounce: &b}.Check()
		}
	})
}

package roundtrip

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// What providers write in odd ways is read, and what they did not write is not believed.
func TestOddTraces(t *testing.T) {
	const (
		hop   = "Received: from mail.nomeazienda.it (mail.nomeazienda.it [2.2.2.2]) by mx.p.net with ESMTPS id 1\n"
		yahoo = "Received: from 2.2.2.2 (EHLO mail.nomeazienda.it)\n by 10.217.150.1 with SMTPs\n (version=TLS1_3); x\n"
		pc    = "Received: from pc ([192.168.1.9]) by mail.nomeazienda.it with ESMTP id 2\n"
	)

	for _, c := range []struct {
		name, header string
		want         map[string]plan.Status
	}{
		{"yahoo", "Authentication-Results: a.omega.yahoo.com;\n dkim=pass header.i=@nomeazienda.it;\n spf=pass smtp.mailfrom=nomeazienda.it;\n dmarc=pass(p=REJECT) header.from=nomeazienda.it;\n" + yahoo + pc,
			map[string]plan.Status{catalog.OutboundSource: plan.Pass, catalog.OutboundSPF: plan.Pass, catalog.OutboundDKIM: plan.Pass, catalog.OutboundDMARC: plan.Pass}},
		{"a server of ours without a domain", hop + "Authentication-Results: nas; spf=pass smtp.mailfrom=a@b; dmarc=pass\nReceived: from pc ([192.168.1.9]) by nas with ESMTP id 1\n",
			map[string]plan.Status{catalog.OutboundSource: plan.Pass, catalog.OutboundSPF: plan.Skip, catalog.OutboundDMARC: plan.Skip, catalog.OutboundTLS: plan.Pass}},
		{"the name in EHLO passes, the sender fails", "Authentication-Results: mx.p.net; spf=pass smtp.helo=mail.nomeazienda.it; spf=fail smtp.mailfrom=mario@nomeazienda.it\n" + hop,
			map[string]plan.Status{catalog.OutboundSPF: plan.Fail}},
		{"no record, Microsoft's guess", "Authentication-Results: mx.p.net; dmarc=bestguesspass action=none header.from=nomeazienda.it\n" + hop,
			map[string]plan.Status{catalog.OutboundDMARC: plan.Warn}},
		{"a part that is none", "Authentication-Results: mx.p.net; spf=pass smtp.mailfrom=a@nomeazienda.it; garbage; dmarc = pass\n" + hop,
			map[string]plan.Status{catalog.OutboundSPF: plan.Pass, catalog.OutboundDMARC: plan.Pass}},
		{"results in quotes", "Authentication-Results: mx.p.net; dkim=fail reason=\"a; dmarc=pass; dkim=pass\" header.d=nomeazienda.it\n" + hop,
			map[string]plan.Status{catalog.OutboundDKIM: plan.Fail, catalog.OutboundDMARC: plan.Skip}},
		{"mailbox.org", "Received: from mx2.mailbox.org ([10.1.1.1]) by spamfilter03.heinlein-hosting.de with LMTP\n" + strings.ReplaceAll(hop, "mx.p.net", "mx2.mailbox.org"),
			map[string]plan.Status{catalog.OutboundSource: plan.Pass, catalog.OutboundTLS: plan.Pass}},
		{"Zoho", strings.NewReplacer("mx.p.net", "mx.zohomail.com", "ESMTPS", "SMTPS").Replace(hop),
			map[string]plan.Status{catalog.OutboundTLS: plan.Pass}},
		{"a provider that writes ESMTP either way", strings.Replace(hop, "ESMTPS", "ESMTP", 1), map[string]plan.Status{catalog.OutboundTLS: plan.Skip}},
		{"qmail, which writes SMTP either way", strings.Replace(hop, "ESMTPS id 1", "SMTP; 29 Nov 2026 18:00:00 -0000", 1), map[string]plan.Status{catalog.OutboundTLS: plan.Skip}},
		{"qmail with a cipher", strings.Replace(hop, "ESMTPS id 1", "(TLS_AES_256_GCM_SHA384 encrypted) SMTP; 29 Nov 2026 18:00:00 -0000", 1), map[string]plan.Status{catalog.OutboundTLS: plan.Pass}},
		{"Postfix in the clear", strings.Replace(hop, "mx.p.net with ESMTPS", "mx.p.net (Postfix) with ESMTP", 1), map[string]plan.Status{catalog.OutboundTLS: plan.Warn}},
		{"Exim in the clear", strings.Replace(hop, "with ESMTPS id 1", "with esmtp (Exim 4.96)\n\t(envelope-from <mario@nomeazienda.it>) id 1", 1), map[string]plan.Status{catalog.OutboundTLS: plan.Warn}},
		{"Sendmail in the clear", strings.Replace(hop, "with ESMTPS id 1", "(8.17.1/8.17.1) with ESMTP id 1", 1), map[string]plan.Status{catalog.OutboundTLS: plan.Warn}},
		{"Exchange in the clear", strings.Replace(hop, "with ESMTPS id 1", "(10.1.1.1) with Microsoft SMTP Server id 15.20", 1), map[string]plan.Status{catalog.OutboundTLS: plan.Warn}},
	} {
		o := OutboundTest{
			From:    "mario@nomeazienda.it",
			Sources: []netip.Addr{netip.MustParseAddr("2.2.2.2")},
			Message: []byte(strings.ReplaceAll(c.header+"\nx", "\n", "\r\n")),
		}

		for _, check := range o.found() {
			if want, ok := c.want[check.ID]; ok && check.Status != want {
				t.Errorf("%s: %s is %v (%s), want %v", c.name, check.ID, check.Status,
					check.Got, want)
			}
		}
	}
}

// Bounces with odd parts and in other languages are read; answering machines are none.
func TestOddBounces(t *testing.T) {
	report := func(part, status string) string {
		return "From: MAILER-DAEMON@x\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n" + part +
			"\n\nUnzustellbar \xfc\n\n--b\nContent-Type: message/delivery-status\n\n" +
			status + "\n--b--\n"
	}

	const status = "Reporting-MTA: dns; mx.it\n\nFinal-Recipient: rfc822; a@b\nAction: failed\nStatus: 5.1.1\n"
	for _, c := range []struct{ name, message, action, diagnostic string }{
		{"unknown charset", report("Content-Type: text/plain; charset=unknown-8bit", status), "failed", ""},
		{"unknown encoding", report("Content-Type: text/plain\nContent-Transfer-Encoding: 8-bit", status), "failed", ""},
		{"a line that is no field", report("Content-Type: text/plain", strings.Replace(status, "mx.it", "mx.it\ngarbage here", 1)), "failed", ""},
		{"blanks before the colon", report("Content-Type: text/plain", strings.ReplaceAll(status, ": ", " : ")), "failed", ""},
		{"octets and escapes", report("Content-Type: text/plain", status+"Diagnostic-Code: smtp; 550 Empf\xe4nger \x1b[31mweg\n"), "failed", "550 Empf?nger [31mweg"},
		{"german", "From: Mailer-Daemon@x.de\n\nDie Nachricht konnte nicht zugestellt werden.\n", "failed", "Die Nachricht konnte nicht zugestellt werden."},
		{"italian", "From: postmaster@x.it\n\nImpossibile recapitare il messaggio.\n", "failed", "Impossibile recapitare il messaggio."},
		{"french", "From: postmaster@x.fr\n\nVotre message n'a pas pu être remis.\n", "failed", "Votre message n'a pas pu être remis."},
		{"a warning", "From: Mailer-Daemon@x\n\nA message that you sent has not yet been delivered.\n  a@b: connection refused\n", "delayed", "a@b: connection refused"},
		{"HTML alone", "From: postmaster@x.example\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<html><head><style>p { color: #550 }</style><title>550</title></head><body><p>Delivery has failed to these recipients:</p><table><tr><td>Remote Server returned &#39;<b>550</b> 5.4.1 Recipient address rejected: Access=\n denied&#39;</td></tr></table><script>var x = \"550 no\";</script></body></html>\n",
			"failed", "550 5.4.1 Recipient address rejected: Access denied'"},
		{"HTML beside a text that says nothing", "From: postmaster@x.example\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\nSee the HTML part.\n--b\nContent-Type: text/html\n\n<div>Your message could not be delivered.</div><div>host mx.example said: 552 5.2.2 mailbox full</div>\n--b--\n",
			"failed", "552 5.2.2 mailbox full"},
		{"HTML of an answering machine", "Return-Path: <>\nFrom: mario@x.it\nContent-Type: text/html\n\n<p>I am away, call 0541 555 1234.</p>\n", "", ""},
		{"a telephone", "Return-Path: <>\nFrom: mario@x.it\n\nI am away, call +39 0541 555 1234.\n", "", ""},
		{"a ticket", "From: postmaster@x.it\n\nYour ticket 512 was opened.\n", "", ""},
	} {
		b, ok := ReadBounce([]byte(strings.ReplaceAll(c.message, "\n", "\r\n")))
		if ok != (c.action != "") || b.Action != c.action || b.Diagnostic != c.diagnostic {
			t.Errorf("%s: %v %+v", c.name, ok, b)
		}
	}
}

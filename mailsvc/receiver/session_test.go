package receiver

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func TestRecipients(t *testing.T) {
	r := start(t, site, nil)
	c := r.dial(t)
	c.say("EHLO client.example", "250")
	c.say("RCPT TO:<postmaster@nomeazienda.it>", "503 5.5.1") // before MAIL
	c.say("MAIL FROM:<a@client.example>", "250 2.0.0")

	for to, want := range map[string]string{
		"<postmaster>":                               "250 2.0.0",
		"<PostMaster>":                               "250",
		"<postmaster@nomeazienda.it>":                "250",
		"<abuse@nomeazienda.example>":                "250",
		"<Sales@NOMEAZIENDA.it>":                     "250",
		"<mario@nomeazienda.it>":                     "250",
		"<postmaster@mail.nomeazienda.it>":           "250",
		"<\"postmaster\"@nomeazienda.it>":            "250",
		"<@relay.example:info@nomeazienda.it>":       "250", // a source route is ignored: RFC 5321 appendix C
		"<nobody@nomeazienda.it>":                    "550 5.1.1",
		"<sales@nomeazienda.example>":                "550 5.1.1",
		"<mario@mail.nomeazienda.it>":                "550 5.1.1",
		"<\"sales@nomeazienda.it\"@nomeazienda.it>":  "550 5.1.1",
		"<../../etc/passwd@nomeazienda.it>":          "550 5.1.1",
		"<u@client.example>":                         "554 5.7.1",
		"<postmaster@nomeazienda.it.client.example>": "554 5.7.1",
		"<nobody>":                 "550 5.1.1",
		"<abuse>":                  "250",
		"<postmaster@[127.0.0.1]>": "250",
		"<mario@[127.0.0.1]>":      "550 5.1.1",
		"<postmaster@[192.0.2.1]>": "554 5.7.1",
		"<>":                       "501",
	} {
		c.say("RCPT TO:"+to, want)
	}
}

// TestSenders sees that nobody passes himself off as one of us, to whomever he writes.
func TestSenders(t *testing.T) {
	r := start(t, site, nil)
	c := r.dial(t)
	c.say("EHLO client.example", "250")

	for from, want := range map[string]string{
		"<>":                               "250",
		"<a@client.example>":               "250",
		"<mario@nomeazienda.it>":           "550 5.7.1",
		"<Postmaster@NomeAzienda.Example>": "550 5.7.1",
		"<postmaster@mail.nomeazienda.it>": "550 5.7.1",
		"<nosuch@nomeazienda.it>":          "550 5.1.0",
		"<postmaster>":                     "501",
	} {
		c.say("RSET", "250")
		c.say("MAIL FROM:"+from, want)
	}

	c.say("RSET", "250")
	c.say("MAIL FROM:<a@client.example>", "250")
	c.say("MAIL FROM:<b@client.example>", "503 5.5.1")
	c.say("RCPT TO:<postmaster@nomeazienda.it>", "250")
}

// TestRelayForms tries every form in which servers were found to relay.
func TestRelayForms(t *testing.T) {
	r := start(t, site, nil)
	const d, d2, s, l, ip = "client.example", "other.example", "mail.nomeazienda.it", "nomeazienda.it", "[127.0.0.1]"
	froms := []string{"", "x@" + d, "x@" + s, "x@" + ip, "x", "x@localhost", "postmaster@" + l,
		"nosuch@" + l}

	tos := []string{
		"u@" + d, "u%" + d + "@" + ip, "u%" + d + "@" + s, `"u@` + d + `"`, `"u%` + d + `"`,
		"u@" + d + "@" + ip,
		`"u@` + d + `"@` + ip, "u@" + d + "@" + s, "@" + ip + ":u@" + d, "@" + s + ":u@" + d,
		d + "!u", d + "!u@" + ip,
		d + "!u@" + s, "u%" + d + "@" + l, `"u@` + d + `"@` + l, "u@[192.0.2.1]", "u%" + d,
		"@" + d2 + ",@" + s + ":u@" + d,
		"u@" + d + ".", `"` + d + `!u"@` + l,
	}

	for _, auth := range []bool{false, true} {
		for _, from := range froms {
			c := r.dial(t)
			c.say("EHLO client.example", "250")
			if auth {
				c.say("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00root\x00root")), "5")
			}

			if got := c.say(fmt.Sprintf("MAIL FROM:<%s>", from), ""); got[0] == '5' {
				continue
			} else if got[0] != '2' {
				t.Fatalf("MAIL FROM:<%s>: %s", from, got)
			}

			for _, to := range tos {
				c.say(fmt.Sprintf("RCPT TO:<%s>", to), "5")
			}
		}
	}
}

func TestSize(t *testing.T) {
	r := start(t, site, func(s *Server) { s.MaxSize = 1000 })
	c := r.dial(t)
	if got := c.say("EHLO client.example", "250"); !strings.Contains(got, "\n250-SIZE 1000\n") {
		t.Errorf("EHLO is answered %q", got)
	}

	for size, want := range map[string]string{
		"1000": "250", "1001": "552 5.3.4", "5000000000": "552 5.3.4",
		"99999999999999999999": "552 5.3.4", "x": "501",
	} {
		c.say("MAIL FROM:<> SIZE="+size, want)
		c.say("RSET", "250")
	}

	text := strings.Repeat("0123456\r\n", 111) + "\r\n"
	for extra, want := range map[string]string{"": "552 5.3.4", "short": "250"} {
		body := text // 1001 octets
		if extra == "short" {
			body = text[1:]
		}

		c.message()
		c.send(body + ".\r\n")
		c.expect(want)
		c.say("MAIL FROM:<>", "250")
		c.say("RCPT TO:<postmaster@nomeazienda.it>", "250")
		c.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(body), body))
		c.expect(want)
	}

	if got := r.stored(t); len(got) != 2 {
		t.Errorf("stored %q", got)
	}
}

func TestRecipientLimit(t *testing.T) {
	r := start(t, site, func(s *Server) { s.MaxRecipients = 2 })
	c := r.dial(t)
	c.say("EHLO client.example", "250")
	c.say("MAIL FROM:<>", "250")
	c.say("RCPT TO:<info@nomeazienda.it>", "250")
	c.say("RCPT TO:<abuse@nomeazienda.it>", "250")
	c.say("RCPT TO:<sales@nomeazienda.it>", "452 4.5.3")
	c.say("DATA", "354")
	c.send(".\r\n")
	c.expect("250")
}

func TestSMTPUTF8(t *testing.T) {
	set := site
	set.Aliases = map[string]string{"josé@nomeazienda.it": "jose"}
	r := start(t, set, nil)
	c := r.dial(t)
	c.say("EHLO client.example", "250")
	c.say("MAIL FROM:<è@client.example>", "553 5.6.7")
	c.say("MAIL FROM:<\xff@client.example> SMTPUTF8", "553 5.6.7")
	c.say("MAIL FROM:<a@client.example>", "250")
	c.say("RCPT TO:<josé@nomeazienda.it>", "553 5.6.7")
	c.say("RSET", "250")
	c.say("MAIL FROM:<è@client.example> SMTPUTF8 BODY=8BITMIME", "250")
	c.say("RCPT TO:<José@nomeazienda.it>", "250")
	c.say("DATA", "354")
	c.send("Subject: caffè\r\n\r\n.\r\n")
	c.expect("250")
	got := readAll(t, r)

	if len(got) != 1 || !strings.HasPrefix(got[0], "Return-Path: <è@client.example>\r\n") ||
		!strings.Contains(got[0], " with UTF8SMTP id ") ||
		!strings.HasSuffix(got[0], "Subject: caffè\r\n\r\n") {
		t.Errorf("stored %q", got)
	}
}

func TestOtherCommands(t *testing.T) {
	r := start(t, site, nil)
	c := r.dial(t)
	c.say("MAIL FROM:<>", "503 5.5.1") // before EHLO
	c.say("EHLO client.example", "250")
	c.say("VRFY postmaster", "252")
	c.say("EXPN staff", "502")
	c.say("AUTH PLAIN", "504 5.7.4")
	c.say("STARTTLS", "502")
	c.say("NOOP", "250")
	c.say("DATA", "503 5.5.1") // before MAIL
	c.say("MAIL FROM:<>", "250")
	c.say("DATA", "503 5.5.1") // before RCPT
	c.say("FROB", "500 5.5.2")
	c.say("RSET", "250")
	c.say("QUIT", "221")
	c.expect("")
}

// TestPipelining sends everything at once (RFC 2920), two messages and what follows.
func TestPipelining(t *testing.T) {
	r := start(t, site, nil)
	c := r.dial(t)
	const one = "MAIL FROM:<a@client.example>\r\nRCPT TO:<postmaster>\r\nRCPT TO:<nobody@nomeazienda.it>\r\nDATA\r\n" +
		"Subject: x\r\n\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\n.\r\n"

	c.send("EHLO client.example\r\n" + one + one + "NOOP\r\nQUIT\r\n")
	for _, want := range []string{"250-", "250", "250", "550", "354", "250", "250", "250",
		"550", "354", "250", "250", "221", ""} {
		c.expect(want)
	}

	got := readAll(t, r)
	if len(got) != 2 || !strings.HasSuffix(got[0],
		"\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\n") {
		t.Errorf("stored %q", got)
	}
}

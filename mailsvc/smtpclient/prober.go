package smtpclient

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
)

// RelayTestDomain is the domain of the recipients with which relaying is tried. It belongs to nobody
// (RFC 2606, RFC 6761), so that nothing could be delivered there.
const RelayTestDomain = "relay-test.invalid"

// perConnection is after how many questions a new connection is made: servers slow down
// or break off after some refusals.
const perConnection = 4

// Prober asks a server whether it would take mail, a few times on each connection. It
// never sends a message. Not safe for concurrent use; close it.
type Prober struct {
	Dial       Dial
	Addr       string
	WrongLogin bool   // try a login that fails first, on each connection
	Name       string // said in EHLO; "" is the own address

	d    *Conn
	used int
}

// Ask says MAIL and RCPT and takes it back. Where the server breaks off or says 421 on a
// used connection, it asks once more on a fresh one. With an error the server decided nothing.
func (a *Prober) Ask(ctx context.Context, from, to string) (mail, rcpt Reply, err error) {
	for {
		if a.used >= perConnection {
			a.Close()
		}

		fresh := a.d == nil
		if err = a.connect(ctx); err != nil {
			return mail, rcpt, err
		}

		a.used++
		mail, rcpt, err = a.d.transaction(ctx, from, to)
		code := DecisiveReply(mail, rcpt).Code

		if a.Name == "" && isAboutHello(DecisiveReply(mail, rcpt)) { // said as late as at RCPT
			a.Close()
			a.Name = machineName()
			continue
		}

		if err != nil || code == 421 {
			a.Close()
		}

		if code != 0 {
			err = nil
		}

		if fresh || err == nil && code != 421 || ctx.Err() != nil {
			return mail, rcpt, err
		}
	}
}

// isAboutHello reports whether a refusal is about the name in EHLO.
func isAboutHello(r Reply) bool {
	text := strings.ToLower(strings.Join(r.Lines, " "))
	return r.Refused() && (strings.Contains(text, "helo") || strings.Contains(text, "ehlo"))
}

// Greeting returns what the server says first.
func (a *Prober) Greeting(ctx context.Context) (Reply, error) {
	if err := a.connect(ctx); err != nil {
		return Reply{}, err
	}
	return a.d.Greeting, nil
}

// connect makes a connection if there is none.
func (a *Prober) connect(ctx context.Context) (err error) {
	if a.d != nil {
		return nil
	}

	if a.Name == "" {
		a.d, err = Hello(ctx, a.Dial, a.Addr)
	} else {
		a.d, err = HelloAs(ctx, a.Dial, a.Addr, a.Name)
	}

	if err == nil && a.WrongLogin {
		_, err = a.d.Command(ctx, "AUTH PLAIN "+wrongLogin())
	}

	if err != nil {
		a.Close()
	}

	return err
}

func (a *Prober) Close() {
	if a.d != nil {
		a.d.Close()
	}
	a.d = nil
	a.used = 0
}

// wrongLogin returns a user and a password that nobody has (RFC 4616 section 2).
func wrongLogin() string {
	return base64.StdEncoding.EncodeToString([]byte("\x00mailpub-relay-test\x00wrong"))
}

// DecisiveReply is the reply that ended a transaction.
func DecisiveReply(mail, rcpt Reply) Reply {
	if mail.Accepted() {
		return rcpt
	}
	return mail
}

// Discloses asks VRFY about an address that is known and one that is not, and EXPN. Servers
// that answer both alike tell nothing (RFC 5321 section 7.3).
func (a *Prober) Discloses(ctx context.Context, known, unknown string) (tells bool, said string, err error) {
	for _, verb := range []string{"VRFY", "EXPN"} {
		var replies [2]Reply
		for i, name := range []string{known, unknown} {
			if err = a.connect(ctx); err == nil {
				replies[i], err = a.d.secured(ctx, verb+" "+name)
			}
			if err != nil {
				a.Close()
				return false, "", err
			}
		}

		// 252 is "cannot say": only that and a refusal tell nothing.
		code := replies[0].Code
		if code == replies[1].Code && (code == 252 || replies[0].Refused()) {
			continue
		}
		if replies[0].Accepted() {
			return true, fmt.Sprintf("%s %s: %s; %s %s: %s", verb, known, replies[0], verb,
				unknown, replies[1]), nil
		}
	}

	return false, "VRFY and EXPN tell nothing", nil
}

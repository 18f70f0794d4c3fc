package mailsvc

import (
	"context"
	"encoding/base64"
)

// perConnection is after how many questions a new connection is made: servers slow down
// or break off after some refusals.
const perConnection = 4

// asker asks a server whether it would take mail, a few times on each connection. It
// never sends a message. Not safe for concurrent use; close it.
type asker struct {
	dial  Dial
	addr  string
	login bool // try a login that fails first, on each connection

	d    *dialog
	used int
}

// ask says MAIL and RCPT and takes it back. Where the server breaks off or says 421 on a
// used connection, it asks once more on a fresh one. With an error the server decided nothing.
func (a *asker) ask(ctx context.Context, from, to string) (mail, rcpt Reply, err error) {
	for {
		if a.used >= perConnection {
			a.close()
		}
		fresh := a.d == nil
		if err = a.open(ctx); err != nil {
			return mail, rcpt, err
		}
		a.used++
		mail, rcpt, err = a.d.transaction(ctx, from, to)
		code := decisive(mail, rcpt).Code
		if err != nil || code == 421 {
			a.close()
		}
		if code != 0 {
			err = nil
		}
		if fresh || err == nil && code != 421 || ctx.Err() != nil {
			return mail, rcpt, err
		}
	}
}

// open makes a connection where there is none.
func (a *asker) open(ctx context.Context) (err error) {
	if a.d != nil {
		return nil
	}
	if a.d, err = hello(ctx, a.dial, a.addr); err == nil && a.login {
		_, err = a.d.say(ctx, "AUTH PLAIN "+wrongLogin())
	}
	if err != nil {
		a.close()
	}
	return err
}

func (a *asker) close() {
	if a.d != nil {
		a.d.close()
	}
	a.d, a.used = nil, 0
}

// wrongLogin returns a user and a password that nobody has (RFC 4616 section 2).
func wrongLogin() string {
	return base64.StdEncoding.EncodeToString([]byte("\x00mailpub-relay-test\x00wrong"))
}

// decisive is the reply that ended a transaction.
func decisive(mail, rcpt Reply) Reply {
	if mail.accepted() {
		return rcpt
	}
	return mail
}

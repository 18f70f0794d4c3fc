// Package receiver is the SMTP receiver that comes with mailpub: it accepts mail for the
// domains it serves, stores each message safely, and never relays.
//
// It knows SMTP and Maildir, and where its settings stand in a file. It knows nothing of
// plans, DNS or routers, and imports nothing of mailpub's. It offers no
// authentication, so nobody can send mail out through it.
//
// The protocol itself is emersion/go-smtp's. What that does otherwise than RFC 5321 is
// put right on the connection: command.go reads commands, body.go messages, wire.go
// replies. Whom mail is accepted from and for is decided in session.go.
package receiver

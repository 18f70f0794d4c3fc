// Package mailsvc is the room of the mail service: it sets up mail servers, and is the
// only writer of their files; it holds SMTP dialogs with them, for the gate before MX
// and for the checks.
//
// It knows SMTP and the servers' settings. It knows nothing of DNS or routers: who asks
// says which address, which domains, which ports.
package mailsvc

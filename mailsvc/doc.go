// Package mailsvc is the drivers of mail servers: it says what a site needs in each server's
// own settings, reads them, and is the only writer of their files.
//
// It knows the servers' settings. It does not know how to check them from the network (check)
// or how to speak SMTP (smtpclient), and nothing of DNS or routers: who calls says which
// address, which domains, which ports.
package mailsvc

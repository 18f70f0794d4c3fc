// Package mailbox uses a mailbox elsewhere: it submits a message there, finds what arrived, reads it and
// takes it away again.
//
// It knows SMTP submission (RFC 6409, RFC 8314), IMAP (RFC 9051) and logins by password or OAuth 2 token, by
// kept libraries. It knows nothing of sites and judges nothing.
package mailbox

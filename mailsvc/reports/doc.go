// Package reports reads what the world says by itself of a domain's mail: DMARC aggregate reports (RFC 7489
// appendix C, RFC 9990) and TLS reports (RFC 8460), as they arrive in a mailbox.
//
// Reports are made by strangers: everything is bounded, and hostile XML is refused. It connects to nobody.
package reports

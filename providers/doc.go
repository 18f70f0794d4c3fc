// Package providers is the list of DNS providers: which there are, what settings each takes, and
// who runs a zone's name servers. Open returns the driver of a zone at one of them.
//
// It knows no protocol and writes nothing itself. What all providers share is package zone; each
// provider is a folder of its own, written with package webapi where it has a web interface.
// Package record is the text of records, resolver asks name servers, spf evaluates senders, and
// dnscheck checks what is published. What is wanted, who owns what and in which order things are
// done is package plan's business.
package providers

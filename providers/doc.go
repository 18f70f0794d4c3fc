// Package providers is the DNS room: it reads and writes the zones in which a mail
// server is published, asks name servers what they answer, and checks that answer.
//
// It is the only room that knows libdns and miekg/dns. A provider is one file and one
// line in All. What all of them have in common is in Zone, the driver: canonical text,
// comparing with what the plan was made from, writing the least, and reading back.
// What is wanted, who owns what and in which order things are done is package plan's
// business.
package providers

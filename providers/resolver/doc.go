// Package resolver asks name servers: a resolver, the servers of a zone, a service that echoes the
// address it was asked from. A QueryCache remembers what they said for one run.
//
// An answer is what a server said; that a server could not say is an error, never an empty
// answer. The package writes nothing and judges nothing: what an answer should be, package dnscheck
// knows.
package resolver

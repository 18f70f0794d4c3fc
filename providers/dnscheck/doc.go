// Package dnscheck checks what is published in DNS, area "dns" of the catalogue of checks, and waits
// until what was written is served everywhere.
//
// It reads at the zones' own servers and at resolvers, never through a provider's interface. It
// writes nothing, and takes what should be as Facts.
package dnscheck

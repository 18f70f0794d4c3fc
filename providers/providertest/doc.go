// Package providertest is the conformance suite for DNS providers: what a zone's driver
// must keep whoever serves the zone, said as tests. It is plan/plantest and what is
// peculiar to DNS: every kind of record that a mail domain needs, strangers' records beside
// ours, large zones, and interfaces that fail in the middle.
//
// It knows drivers only by plan.Driver, so that a provider's tests can live beside it.
package providertest

// Package zone is the driver of a DNS zone that all providers share (plan.Driver): it compares
// with what the plan was made from, writes the least, leaves the records of others as they are,
// and reads back.
//
// How records get to the provider is a Backend's business; what a provider does not take is data
// (Limits). The package knows no provider by name, and no protocol.
package zone

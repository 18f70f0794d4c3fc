// Package spf evaluates sender policies (RFC 7208): whether an address may send for a domain,
// whether a record that is about to be written would be accepted, and what a receiver asks of DNS
// about a sender.
//
// The evaluation is a library's; this package gives it its look-ups, and checks the grammar that
// the library leaves alone. It does not know what the config wants.
package spf

// Package roundtrip judges a message that went out into the world and came back into a mailbox elsewhere, or
// from there to here: its hops, what the provider there found out about it, and the bounce where it did not
// arrive.
//
// It reads messages (RFC 5322, RFC 3464, RFC 8601) and makes checks of them. It connects to nobody.
package roundtrip

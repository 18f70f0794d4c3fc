// Package nftables makes forwards and pinholes on a Linux router that mailpub runs on itself:
// rules in tables of mailpub's own. It knows nftables; it does not know of other protocols, of
// leases, or of who wants a forward.
package nftables

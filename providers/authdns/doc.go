// Package authdns is a small authoritative DNS server: real sockets, real zones,
// signed dynamic updates (RFC 2136, RFC 8945) and zone transfers (RFC 5936). The
// demo and the tests put it in the place of the name server that mailpub writes to.
//
// It holds its zones in memory, serves one key that may do everything, and knows
// neither DNSSEC nor delegation nor notification. It is no server for the Internet.
package authdns

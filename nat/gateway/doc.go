// Package gateway finds out what this machine's own network says of the way out: its default
// gateways, its networks, and whether an address is its own. It asks the system alone and
// sends nothing. It knows no router's protocol.
package gateway

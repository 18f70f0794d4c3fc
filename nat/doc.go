// Package nat knows routers: it finds the router, maps ports in it, and tells
// what stands in the way. It is the only package that knows UPnP, NAT-PMP, PCP and nftables.
//
// A protocol is a device (device.go) in a file of its own and one case in Open. What all
// have in common is in Router, the plan.Driver: canonical text, comparing before writing
// and reading back after.
//
// It does not know what should be forwarded or who owns it; that is plan's. It
// keeps no state on disk: what a protocol can't read back comes from Options.Known.
package nat

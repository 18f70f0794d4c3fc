//go:build !windows

package dnscheck

// hostsFile is where the system keeps its own table of hosts.
func hostsFile() string { return "/etc/hosts" }

package dnscheck

import (
	"os"
	"path/filepath"
)

// hostsFile is where the system keeps its own table of hosts.
func hostsFile() string {
	return filepath.Join(os.Getenv("SystemRoot"), "System32", "drivers", "etc", "hosts")
}

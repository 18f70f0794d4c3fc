//go:build !linux

package metrics

// readProcess knows the process on Linux alone.
func readProcess() (process, bool) { return process{}, false }

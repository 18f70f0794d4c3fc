//go:build !windows

package durable

import "os"

// MakePrivate makes a directory, and those above it that are not there, that nobody but its
// owner can look into. One that is there stays as it is.
func MakePrivate(dir string) error { return os.MkdirAll(dir, 0o700) }

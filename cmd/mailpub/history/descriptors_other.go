//go:build !linux

package history

import "os"

// descriptors counts how often this process has a file open, which is to be seen on Linux alone.
func descriptors(*os.File) (n int, ok bool) { return 0, false }

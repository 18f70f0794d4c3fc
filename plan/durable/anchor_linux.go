package durable

import (
	"fmt"
	"os"
)

// Anchor returns another path of the file at path, for libraries that open files by their path themselves. It leads
// to the file's directory by descriptor, so that no other account can put another directory, or a link, in the place
// of one above the file. It is valid until release is called. The file itself may be a link: open it with NoFollow.
//
// The path comes back as it is where mailpub does not run as root, and without a /proc.
func Anchor(path string) (anchored string, release func(), err error) {
	nothing := func() {}
	dir, name, err := locate(path, false)
	if err != nil {
		return path, nothing, err
	}

	defer dir.close()

	if dir.root == nil {
		return path, nothing, nil
	}

	held, err := dir.root.Open(".")
	if err != nil {
		return path, nothing, err
	}

	at := fmt.Sprintf("/proc/self/fd/%d", held.Fd())
	there, err := os.Stat(at)
	own, ownErr := held.Stat()
	if err != nil || ownErr != nil || !os.SameFile(own, there) {
		held.Close()
		return path, nothing, nil
	}

	return at + "/" + name, func() { held.Close() }, nil
}

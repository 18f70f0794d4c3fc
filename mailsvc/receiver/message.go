package receiver

import (
	"path/filepath"
	"strings"
	"time"
)

// Message is what is told of a stored message.
type Message struct {
	ID        string
	Time      time.Time
	Remote    string // address and port of the client
	Helo      string
	From      string   // envelope sender; "" is the null sender
	To        []string // envelope recipients
	Size      int64    // octets as stored, headers of the receiver included
	Paths     []string // one file for each mailbox
	Mailboxes []string // in the same order

	TLS     string // version and cipher; "" in the clear
	Verdict string // header fields of the server's Judge
}

// isMailbox reports whether a mailbox may have this name: one element of a path, never a
// hidden one, never a way up, and no device where the system has such (Windows: aux).
func isMailbox(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}

	for i := range len(name) {
		c := name[i]
		inner := i > 0 && i < len(name)-1
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' ||
			inner && strings.IndexByte("._+-", c) >= 0) {
			return false
		}
	}

	return filepath.IsLocal(name)
}

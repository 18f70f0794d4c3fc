package check

import (
	"context"
	"errors"
	"os"
	"time"
)

// maxRead bounds what is read of a message that was found.
const maxRead = 256 << 10

// errNoMailbox is why nobody can look.
var errNoMailbox = errors.New("the mailbox can't be read from here")

// FindMessage looks once for a message with a word where the site's own mail arrives: in the files of its
// mailboxes, else with the login of its mailbox, where only whether it is there can be told. where is "" when
// it is not there. remove takes it away again. The error says why nobody could look.
func (f Facts) FindMessage(ctx context.Context, word string, remove bool) (where string, raw []byte, err error) {
	if f.Maildir != "" {
		m, err := search(f.Maildir, word, time.Now().Add(-recent), map[string]bool{})
		if m.path == "" {
			return "", nil, err
		}

		raw, err := readUpTo(m.path, maxRead)
		if err == nil && remove {
			err = os.Remove(m.path)
		}

		return m.path, raw, err
	}

	if f.Mailbox == nil {
		return "", nil, errNoMailbox
	}

	password, err := f.Mailbox.Password(ctx)
	if err != nil {
		return "", nil, err
	}

	look := f.inIMAP
	name := "IMAP"
	if f.Mailbox.IMAP == "" {
		look = f.inPOP3
		name = "POP3"
	}

	found, err := look(ctx, f.Mailbox.User, password, word, remove)
	if !found {
		return "", nil, err
	}

	return "the mailbox of " + f.Mailbox.User + " by " + name, nil, nil
}

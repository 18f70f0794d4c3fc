package receiver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maildir is a directory of mailboxes, each in the Maildir layout: a message is written
// in tmp, and appears in new as a whole.
type maildir struct{ root string }

// store writes one message into each of the mailboxes and returns the files and the
// size. When it returns without an error every file and its name are on disk. When it
// fails nothing is left in tmp.
func (m maildir) store(mailboxes []string, name string, header []byte, body io.Reader) (paths []string, size int64, err error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			err = errors.Join(err, closed(f.Close()))
			if err != nil {
				os.Remove(f.Name())
			}
		}
	}()
	var writers []io.Writer
	for _, box := range mailboxes {
		f, err := m.create(box, name)
		if err != nil {
			return nil, 0, err
		}
		files, writers = append(files, f), append(writers, f)
	}
	w := bufio.NewWriterSize(io.MultiWriter(writers...), 64<<10)
	if _, err := w.Write(header); err != nil {
		return nil, 0, err
	}
	n, err := io.Copy(w, body)
	if err != nil {
		return nil, 0, err
	}
	if err := w.Flush(); err != nil {
		return nil, 0, err
	}
	for _, f := range files {
		if err := f.Sync(); err != nil {
			return nil, 0, err
		}
	}
	for _, f := range files {
		path, err := publish(f)
		if err != nil {
			return nil, 0, err
		}
		paths = append(paths, path)
	}
	return paths, int64(len(header)) + n, nil
}

// closed forgives a file that publish has closed already.
func closed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// create opens a new file in a mailbox's tmp, making the mailbox if need be.
func (m maildir) create(mailbox, name string) (*os.File, error) {
	if !mailboxName.MatchString(mailbox) {
		return nil, fmt.Errorf("%q is no mailbox", mailbox)
	}
	box := filepath.Join(m.root, mailbox)
	for _, sub := range []string{"cur", "new", "tmp"} {
		dir := filepath.Join(box, sub)
		if _, err := os.Stat(dir); err == nil {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if err := syncDir(box); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(filepath.Join(box, "tmp", name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// publish moves a written file from tmp to new, durably.
func publish(f *os.File) (path string, err error) {
	if err := f.Close(); err != nil { // Windows moves no open file
		return "", err
	}
	box := filepath.Dir(filepath.Dir(f.Name()))
	path = filepath.Join(box, "new", filepath.Base(f.Name()))
	if err := os.Rename(f.Name(), path); err != nil {
		return "", err
	}
	return path, syncDir(filepath.Join(box, "new"))
}

// header returns what a receiving server puts on top of a message: the return path (RFC
// 5321 section 4.4, once, at final delivery) and a trace line.
func (m Message) header(hostname string, utf8 bool) []byte {
	with := "ESMTP"
	if utf8 {
		with = "UTF8SMTP" // RFC 6531 section 4.3
	}
	recipient := ""
	if len(m.To) == 1 { // more would tell each of the others
		recipient = "\r\n\tfor <" + m.To[0] + ">"
	}
	remote := m.Remote
	if i := strings.LastIndex(remote, ":"); i > 0 {
		remote = strings.Trim(remote[:i], "[]")
	}
	if strings.Contains(remote, ":") {
		remote = "IPv6:" + remote
	}
	return fmt.Appendf(nil, "Return-Path: <%s>\r\nReceived: from %s ([%s])\r\n\tby %s with %s id %s%s;\r\n\t%s\r\n",
		m.From, m.Helo, remote, hostname, with, m.ID, recipient, m.Time.Format("Mon, 2 Jan 2006 15:04:05 -0700"))
}

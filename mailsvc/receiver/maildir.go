package receiver

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
)

// maildir is a directory of mailboxes, each in the Maildir layout: a message is written
// in tmp, and appears in new as a whole.
type maildir struct {
	disk disk
	root string
}

// store writes one message into each of the mailboxes and returns the files and the
// size. When it returns without an error every file and its name are on disk. When it
// fails no mailbox has the message, and nothing is left in tmp.
func (m maildir) store(mailboxes []string, name string, header []byte, body io.Reader) (paths []string, size int64, err error) {
	d := delivery{disk: m.disk}
	defer func() {
		if err != nil {
			d.undo()
		}
	}()
	for _, box := range mailboxes {
		if err := m.prepare(box); err != nil {
			return nil, 0, err
		}
		if err := d.create(filepath.Join(m.root, box), name); err != nil {
			return nil, 0, err
		}
	}
	if size, err = d.write(header, body); err != nil {
		return nil, 0, err
	}
	if err := d.publish(); err != nil {
		return nil, 0, err
	}
	for _, c := range d.copies {
		paths = append(paths, c.path)
	}
	return paths, size, nil
}

// prepare makes a mailbox durably, if it is not there. Its tmp comes last, so that one with
// a tmp is complete.
func (m maildir) prepare(mailbox string) error {
	if !isMailbox(mailbox) { // settings have been checked; this is where it matters
		return fmt.Errorf("%q is no mailbox", mailbox)
	}
	box := filepath.Join(m.root, mailbox)
	if m.disk.exists(filepath.Join(box, "tmp")) {
		return nil
	}
	for _, sub := range []string{"cur", "new"} {
		if err := m.disk.makeDir(filepath.Join(box, sub)); err != nil {
			return err
		}
	}
	for _, dir := range []string{filepath.Dir(m.root), m.root, box} {
		if err := m.disk.syncDir(dir); err != nil {
			return err
		}
	}
	return m.disk.makeDir(filepath.Join(box, "tmp"))
}

// delivery is one message on its way to its mailboxes.
type delivery struct {
	disk   disk
	copies []*mailCopy
}

// mailCopy is the message in one mailbox.
type mailCopy struct {
	file file   // nil once closed
	path string // where it is: in tmp, then in new
}

func (d *delivery) create(box, name string) error {
	path := filepath.Join(box, "tmp", name)
	f, err := d.disk.create(path)
	if err == nil {
		d.copies = append(d.copies, &mailCopy{f, path})
	}
	return err
}

// write puts the message into every copy, and every copy on disk.
func (d *delivery) write(header []byte, body io.Reader) (int64, error) {
	var files []io.Writer
	for _, c := range d.copies {
		files = append(files, c.file)
	}
	w := bufio.NewWriterSize(io.MultiWriter(files...), 32<<10)
	if _, err := w.Write(header); err != nil {
		return 0, err
	}
	n, err := io.Copy(w, body)
	if err != nil {
		return 0, err
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	for _, c := range d.copies {
		if err := c.file.Sync(); err != nil {
			return 0, err
		}
	}
	return int64(len(header)) + n, nil
}

// publish moves the copies from tmp to new, durably.
func (d *delivery) publish() error {
	for _, c := range d.copies {
		if err := c.close(); err != nil { // before the move: Windows moves no open file
			return err
		}
		dir := filepath.Join(filepath.Dir(filepath.Dir(c.path)), "new")
		path := filepath.Join(dir, filepath.Base(c.path))
		if err := d.disk.rename(c.path, path); err != nil {
			return err
		}
		c.path = path
		if err := d.disk.syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (c *mailCopy) close() error {
	if c.file == nil {
		return nil
	}
	f := c.file
	c.file = nil
	return f.Close()
}

// undo takes every copy away, also one that is in new already: its sender is told to
// come back, and should not have it delivered twice.
func (d *delivery) undo() {
	for _, c := range d.copies {
		c.close()
		d.disk.remove(c.path)
	}
}

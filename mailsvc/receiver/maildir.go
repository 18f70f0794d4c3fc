package receiver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"time"
)

// maildir is a directory of mailboxes, each in the Maildir layout: a message is written
// in tmp, and appears in new as a whole.
type maildir struct {
	disk    disk
	root    string
	segment int64         // octets of a segment of the log; 0 for the default
	after   time.Duration // until a checkpoint of the log; 0 for the default

	failed   func(error)                // told of a fault that loses no mail
	restored func(name, mailbox string) // told of a message that was written out of the log
	synced   func(time.Duration)        // told how long each commit to disk took

	buffers  buffers
	prepared sync.Map // mailboxes

	opening sync.Mutex
	opened  bool
	held    file // the lock on log
	log     *commitLog
	device  uint64 // that log is on
}

// store writes one message into each of the mailboxes and returns the files and the
// size. When it returns without an error every file and its name are on disk, or will be after a
// crash: see commitLog. When it fails no mailbox has the message, and nothing is left in tmp.
func (m *maildir) store(mailboxes []string, name string, header []byte, body io.Reader) (paths []string, size int64, err error) {
	for _, box := range mailboxes {
		if !isMailbox(box) { // settings have been checked; this is where it matters
			return nil, 0, fmt.Errorf("%q is no mailbox", box)
		}
	}

	if err := m.open(); err != nil {
		return nil, 0, err
	}

	d := delivery{maildir: m, name: name, boxes: mailboxes}
	defer func() {
		if err != nil {
			d.undo()
		}
	}()

	for _, box := range mailboxes {
		if err := d.create(box); err != nil {
			return nil, 0, err
		}
	}

	buffer := m.buffers.get()
	defer m.buffers.Put(buffer)

	buffer.Write(header)
	_, err = io.CopyN(buffer, body, spoolInMemory)
	whole := err == io.EOF
	if err != nil && !whole {
		return nil, 0, err
	}
	if size, err = d.write(buffer.Bytes(), body, whole); err != nil {
		return nil, 0, err
	}

	placed := func() {}
	if whole && d.grouped() {
		placed = d.commit(buffer.Bytes())
	}

	defer func() { placed() }()

	if err := d.publish(); err != nil {
		return nil, 0, err
	}

	for _, c := range d.copies {
		paths = append(paths, c.path)
	}

	return paths, size, nil
}

// prepare makes a mailbox durably. What is there already may be what a killed process did not come to
// sync, so a mailbox is prepared once in each run.
func (m *maildir) prepare(mailbox string) error {
	box := filepath.Join(m.root, mailbox)
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := m.disk.makeDir(filepath.Join(box, sub)); err != nil {
			return err
		}
	}

	for _, dir := range []string{filepath.Dir(m.root), m.root, box} {
		if err := m.disk.syncDir(dir); err != nil {
			return err
		}
	}

	m.prepared.Store(mailbox, true)
	return nil
}

// buffers hold messages up to spoolInMemory while they are stored.
type buffers struct{ sync.Pool }

func (b *buffers) get() *bytes.Buffer {
	if buffer, ok := b.Get().(*bytes.Buffer); ok {
		buffer.Reset()
		return buffer
	}
	return new(bytes.Buffer)
}

// delivery is one message on its way to its mailboxes.
type delivery struct {
	*maildir
	name      string
	boxes     []string
	copies    []*mailCopy
	logged    bool // there may be a record of it
	committed bool // there is one, on disk
}

// mailCopy is the message in one mailbox.
type mailCopy struct {
	file file   // nil once closed
	path string // where it is: in tmp, then in new
}

func (d *delivery) create(mailbox string) error {
	if _, ok := d.prepared.Load(mailbox); !ok {
		if err := d.prepare(mailbox); err != nil {
			return err
		}
	}

	path := filepath.Join(d.root, mailbox, "tmp", d.name)
	f, err := d.disk.create(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.prepare(mailbox); err == nil {
			f, err = d.disk.create(path)
		}
	}

	if err == nil {
		d.copies = append(d.copies, &mailCopy{f, path})
	}

	return err
}

// write puts the message into every copy: what was read of it and, unless that is the whole, what follows.
func (d *delivery) write(begin []byte, rest io.Reader, whole bool) (int64, error) {
	var files []io.Writer
	for _, c := range d.copies {
		files = append(files, c.file)
	}

	w := io.MultiWriter(files...)
	if _, err := w.Write(begin); err != nil || whole {
		return int64(len(begin)), err
	}

	n, err := io.Copy(w, rest)
	return int64(len(begin)) + n, err
}

// grouped reports whether the log stands for all of the copies: a mailbox may be on another file system.
func (d *delivery) grouped() bool {
	if d.log == nil {
		return false
	}

	for _, c := range d.copies {
		if device, err := c.file.device(); err != nil || device != d.device {
			return false
		}
	}

	return true
}

// commit puts the message into the log. Where that fails the copies are synced by themselves.
func (d *delivery) commit(message []byte) (placed func()) {
	d.logged = true
	placed, err := d.log.commit(record{recordMessage, d.name, d.boxes, message})
	if d.committed = err == nil; d.committed {
		return placed
	}
	return func() {}
}

// publish moves the copies from tmp to new, durably.
func (d *delivery) publish() error {
	if !d.committed {
		began := time.Now()
		for _, c := range d.copies {
			if err := c.file.Sync(); err != nil {
				return err
			}
		}

		if d.synced != nil {
			d.synced(time.Since(began))
		}
	}

	for _, c := range d.copies {
		if err := c.close(); err != nil { // before the move: Windows moves no open file
			return err
		}

		dir := filepath.Join(filepath.Dir(filepath.Dir(c.path)), "new")
		path := filepath.Join(dir, d.name)
		if err := d.disk.rename(c.path, path); err != nil {
			return err
		}

		c.path = path
		if d.committed {
			continue
		}
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

// undo takes every copy away, also one that is in new already, or in the log: its sender is told
// to come back, and should not have it delivered twice.
func (d *delivery) undo() {
	for _, c := range d.copies {
		c.close()
		d.disk.remove(c.path)
	}

	if d.logged {
		if placed, err := d.log.commit(record{kind: recordVoid, name: d.name}); err == nil {
			placed()
		}
	}
}

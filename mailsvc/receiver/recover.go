package receiver

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// logDir is where the commit log is, in the directory of the mailboxes. No mailbox has a dot first.
const logDir = ".commit"

// crashed reports whether there may be something to recover: an orderly end leaves no segment.
func (m *maildir) crashed() bool { return m.disk.exists(filepath.Join(m.root, logDir)) }

// open makes the mailboxes ready, once: it takes the log over, and mends what a crash left. As long
// as that fails no message is stored, and the next one tries again.
func (m *maildir) open() error {
	m.opening.Lock()
	defer m.opening.Unlock()

	if m.opened || !m.disk.groups() {
		return nil
	}

	dir := filepath.Join(m.root, logDir)
	if err := m.disk.makeDir(dir); err != nil {
		return err
	}

	for _, dir := range []string{filepath.Dir(m.root), m.root} {
		if err := m.disk.syncDir(dir); err != nil {
			return err
		}
	}

	held, err := m.disk.lock(filepath.Join(dir, "lock"))
	if err != nil {
		return err
	}

	if held == nil { // another receiver works here: the log is its, and what is in tmp may be
		m.failed(fmt.Errorf("commit log: another process has %s: each message is synced by itself", dir))
		m.opened = true
		return nil
	}

	device, err := held.device()
	if err == nil {
		err = m.recover(dir)
	}

	if err != nil {
		held.Close()
		return fmt.Errorf("recovering from %s: %w", dir, err)
	}

	m.held = held
	m.device = device
	m.opened = true
	m.log = newCommitLog(m.disk, dir, m.failed)
	m.log.size, m.log.after = cmp.Or(m.segment, segmentSize), cmp.Or(m.after, checkpointAfter)
	m.log.synced = m.synced

	return nil
}

// close ends what open began. All that is in the mailboxes is durable then.
func (m *maildir) close() {
	m.opening.Lock()
	defer m.opening.Unlock()

	if m.log != nil {
		m.log.close()
		m.held.Close()
	}

	m.log = nil
	m.opened = false
}

// recover finishes what the last run left in the log. The machine has run on since: every file is as
// it was, and only has to be made durable. It was started anew: messages that are not
// in their mailboxes, or not whole, are written again out of the log.
func (m *maildir) recover(dir string) error {
	names, err := m.disk.list(dir)
	if err != nil {
		return err
	}

	var logs []string
	var lost []record
	void := map[string]bool{}

	for _, name := range names {
		if filepath.Ext(name) != ".log" {
			continue
		}

		path := filepath.Join(dir, name)
		data, err := m.disk.read(path)
		if err != nil {
			return err
		}

		logs = append(logs, path)
		boot, records, ok := readSegment(data)
		if !ok || boot != "" && boot == m.disk.boot() {
			continue
		}

		for _, r := range records {
			if r.kind == recordVoid {
				void[r.name] = true
			} else {
				lost = append(lost, r)
			}
		}
	}

	for _, r := range lost {
		if void[r.name] {
			continue
		}

		for _, box := range r.mailboxes {
			if err := m.restore(box, r); err != nil {
				return err
			}
		}
	}

	if err := m.sweep(); err != nil {
		return err
	}
	if len(logs) == 0 {
		return nil
	}
	if err := m.disk.syncAll(dir); err != nil {
		return err
	}

	for _, path := range logs {
		if err := m.disk.remove(path); err != nil {
			return err
		}
	}

	return m.disk.syncDir(dir)
}

// restore writes a message into a mailbox unless it is there, as a whole, read or not, filed or not.
func (m *maildir) restore(box string, r record) error {
	if err := m.prepare(box); err != nil {
		return err
	}

	target := filepath.Join(m.root, box, "new", r.name)
	path, err := m.find(filepath.Join(m.root, box), r.name)
	if err != nil {
		return err
	}

	if path != "" {
		data, err := m.disk.read(path)
		if err != nil || bytes.Equal(data, r.data) {
			return err
		}
		target = path // a part of it: its name may say that it was read
	}

	tmp := filepath.Join(m.root, box, "tmp", r.name)
	if err := m.disk.remove(tmp); err != nil {
		return err
	}

	f, err := m.disk.create(tmp)
	if err != nil {
		return err
	}

	_, err = f.Write(r.data)
	if err == nil {
		err = f.Sync()
	}

	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := m.disk.rename(tmp, target); err != nil {
		return err
	}

	m.restored(r.name, box)
	return m.disk.syncDir(filepath.Dir(target))
}

// find returns where a mailbox has the message of this name: in new, or in cur with flags behind the
// name, of the mailbox itself or of a folder in it (Maildir++: a directory with a dot first).
func (m *maildir) find(box, name string) (string, error) {
	inside, err := m.disk.list(box)
	if err != nil {
		return "", err
	}

	folders := []string{box}
	for _, f := range inside {
		if strings.HasPrefix(f, ".") {
			folders = append(folders, filepath.Join(box, f))
		}
	}

	for _, folder := range folders {
		for _, sub := range []string{"new", "cur"} {
			dir := filepath.Join(folder, sub)
			if path := filepath.Join(dir, name); m.disk.exists(path) {
				return path, nil
			}
			if sub == "new" {
				continue
			}

			names, err := m.disk.list(dir)
			if err != nil && m.disk.exists(dir) {
				return "", err
			}

			for _, n := range names {
				if strings.HasPrefix(n, name+":") || strings.HasPrefix(n, name+",") {
					return filepath.Join(dir, n), nil
				}
			}
		}
	}

	return "", nil
}

// sweep removes what a killed process left on its way to a mailbox.
func (m *maildir) sweep() error {
	ours := regexp.MustCompile(`^\d+\.M\d{6}P\d+Q\d+R[A-Z2-7]{10}\.`) // see Server.unique
	boxes, err := m.disk.list(m.root)
	if err != nil {
		return err
	}

	for _, box := range boxes {
		if strings.HasPrefix(box, spoolPrefix) {
			if err := m.disk.remove(filepath.Join(m.root, box)); err != nil {
				return err
			}
		}

		if !isMailbox(box) {
			continue
		}

		tmp := filepath.Join(m.root, box, "tmp")
		names, err := m.disk.list(tmp)
		if err != nil && m.disk.exists(tmp) {
			return err
		}

		for _, name := range names {
			if !ours.MatchString(name) {
				continue
			}
			if err := m.disk.remove(filepath.Join(tmp, name)); err != nil {
				return err
			}
		}
	}

	return nil
}

package receiver

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	slash "path"
	"path/filepath"
	"strings"
	"sync"
)

// powerDisk is a disk in memory that can lose its power. What was not synced is then there, or not,
// or in part: nothing is promised of it.
type powerDisk struct {
	mu    sync.Mutex
	names map[string]*node // as programs see them
	kept  map[string]*node // as the disk has them
	life  int              // of the machine
	dice  *rand.Rand
	left  int // steps until what runs is dead; 0: it lives
	dead  bool
	odds  float64 // of a step to fail
}

// node is a file, or a directory.
type node struct {
	dir    bool
	data   []byte // as programs see it
	kept   []byte // as the disk has it
	locked *powerFile
}

var errDead = errors.New("the process is dead")

func newPowerDisk(dice *rand.Rand) *powerDisk {
	root := &node{dir: true}
	return &powerDisk{
		names: map[string]*node{"/": root},
		kept:  map[string]*node{"/": root},
		dice:  dice,
		life:  1,
	}
}

// step is taken before anything happens. A dead process does nothing.
func (d *powerDisk) step() error {
	if d.left > 0 {
		d.left--
		d.dead = d.dead || d.left == 0
	}

	switch {
	case d.dead:
		return errDead
	case d.dice.Float64() < d.odds:
		return errNoSpace
	}

	return nil
}

// killed lets the next process find everything as the last one left it.
func (d *powerDisk) killed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = false
	d.left = 0
	for _, n := range d.names {
		n.locked = nil
	}
}

// powerLost lets the next one find what is on the disk.
func (d *powerDisk) powerLost() {
	d.killed()
	d.mu.Lock()
	defer d.mu.Unlock()

	d.life++
	for p, n := range d.names {
		if d.kept[p] != n && d.dice.IntN(2) == 0 && d.kept[slash.Dir(p)] != nil {
			d.kept[p] = n // written in time, though nobody asked
		}
	}

	for p, n := range d.kept {
		if d.names[p] == nil && d.dice.IntN(2) == 0 {
			delete(d.kept, p)
			continue
		}
		n.data = d.torn(n)
	}

	for p := range d.kept { // what has no directory can't be found
		for up := slash.Dir(p); up != "/"; up = slash.Dir(up) {
			if d.kept[up] == nil {
				delete(d.kept, p)
			}
		}
	}

	d.names = map[string]*node{}
	for p, n := range d.kept {
		n.kept = bytes.Clone(n.data)
		d.names[p] = n
	}
}

// torn returns what is found of a file: some of its sectors as they were written last, some as they were
// before.
func (d *powerDisk) torn(n *node) []byte {
	size := len(n.kept)
	if d.dice.IntN(2) == 0 {
		size = len(n.data)
	}

	out := make([]byte, size)
	for at := 0; at < size; at += 512 {
		from := n.kept
		if d.dice.IntN(2) == 0 {
			from = n.data
		}
		if at < len(from) {
			copy(out[at:min(at+512, size)], from[at:])
		}
	}

	return out
}

func (d *powerDisk) get(p string) (*node, error) {
	if n := d.names[p]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("%s: %w", p, fs.ErrNotExist)
}

// do is one step on the disk.
func (d *powerDisk) do(f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	return f()
}

func (d *powerDisk) exists(p string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[filepath.ToSlash(p)] != nil
}

func (d *powerDisk) makeDir(p string) error {
	p = filepath.ToSlash(p)
	if d.exists(p) {
		return nil
	}
	if err := d.makeDir(slash.Dir(p)); err != nil {
		return err
	}

	err := d.do(func() error {
		if d.names[p] == nil {
			d.names[p] = &node{dir: true}
		}
		return nil
	})

	if err != nil {
		return err
	}

	return d.syncDir(slash.Dir(p))
}

func (d *powerDisk) create(p string) (f file, err error) {
	p = filepath.ToSlash(p)
	err = d.do(func() error {
		if _, err := d.get(slash.Dir(p)); err != nil {
			return err
		}
		if d.names[p] != nil {
			return fs.ErrExist
		}

		n := &node{}
		d.names[p] = n
		f = &powerFile{d, n}

		return nil
	})

	return f, err
}

func (d *powerDisk) rename(from, to string) error {
	return d.do(func() error {
		n, err := d.get(filepath.ToSlash(from))
		if err == nil {
			delete(d.names, filepath.ToSlash(from))
			d.names[filepath.ToSlash(to)] = n
		}
		return err
	})
}

func (d *powerDisk) remove(p string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err == errDead {
		return err
	}
	delete(d.names, filepath.ToSlash(p)) // a full disk lets files go
	return nil
}

func (d *powerDisk) syncDir(p string) error {
	p = filepath.ToSlash(p)
	return d.do(func() error {
		for name := range d.kept {
			if slash.Dir(name) == p && d.names[name] == nil {
				delete(d.kept, name)
			}
		}

		for name, n := range d.names {
			if slash.Dir(name) == p {
				d.kept[name] = n
			}
		}

		return nil
	})
}

func (d *powerDisk) list(p string) (names []string, err error) {
	p = filepath.ToSlash(p)
	err = d.do(func() error {
		for name := range d.names {
			if name != "/" && slash.Dir(name) == p {
				names = append(names, slash.Base(name))
			}
		}
		return nil
	})

	return names, err
}

func (d *powerDisk) read(p string) (data []byte, err error) {
	err = d.do(func() error {
		n, err := d.get(filepath.ToSlash(p))
		if err == nil {
			data = bytes.Clone(n.data)
		}
		return err
	})

	return data, err
}

func (d *powerDisk) groups() bool { return true }

func (d *powerDisk) boot() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprint("boot ", d.life)
}

func (d *powerDisk) lock(p string) (f file, err error) {
	p = filepath.ToSlash(p)
	err = d.do(func() error {
		n := d.names[p]
		if n == nil {
			n = &node{}
			d.names[p] = n
		}

		if n.locked == nil {
			n.locked = &powerFile{d, n}
			f = n.locked
		}

		return nil
	})

	return f, err
}

func (d *powerDisk) syncAll(string) error {
	return d.do(func() error {
		clear(d.kept)
		for p, n := range d.names {
			d.kept[p] = n
			n.kept = bytes.Clone(n.data)
		}
		return nil
	})
}

func (d *powerDisk) reserve(p string, size int64) (a preallocatedFile, err error) {
	err = d.do(func() error {
		n := &node{data: make([]byte, size), kept: make([]byte, size)}
		d.names[filepath.ToSlash(p)] = n
		a = &powerFile{d, n}
		return nil
	})
	return a, err
}

// powerFile is an open file.
type powerFile struct {
	disk *powerDisk
	*node
}

func (f *powerFile) Write(p []byte) (int, error) {
	err := f.disk.do(func() error { f.data = append(f.data, p...); return nil })
	return len(p), err
}

func (f *powerFile) WriteAt(p []byte, at int64) (int, error) {
	err := f.disk.do(func() error {
		if int(at)+len(p) > len(f.data) {
			return errors.New("written behind the end of what was reserved")
		}
		copy(f.data[at:], p)
		return nil
	})

	return len(p), err
}

func (f *powerFile) Sync() error {
	return f.disk.do(func() error { f.kept = bytes.Clone(f.data); return nil })
}

func (f *powerFile) Close() error {
	return f.disk.do(func() error {
		if f.locked == f {
			f.locked = nil
		}
		return nil
	})
}

func (f *powerFile) device() (uint64, error) { return 1, nil }

// messages returns what the mailboxes have: text by mailbox and name, and how often.
func (d *powerDisk) messages(root string) (texts map[string]string, times map[string]int) {
	d.mu.Lock()
	defer d.mu.Unlock()

	texts = map[string]string{}
	times = map[string]int{}
	for p, n := range d.names {
		rel, inside := strings.CutPrefix(p, root+"/")
		part := strings.Split(rel, "/")
		if !inside || len(part) != 3 || part[1] == "tmp" {
			continue
		}

		name, _, _ := strings.Cut(part[2], ":")
		key := part[0] + "/" + name
		texts[key] = string(n.data)
		times[key]++
	}

	return texts, times
}

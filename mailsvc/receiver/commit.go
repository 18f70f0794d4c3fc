package receiver

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// Defaults of a commitLog.
const (
	segmentSize     = 8 << 20
	maxSegments     = 4
	maxBatch        = 2 << 20
	checkpointAfter = 2 * time.Second
	reserveAfter    = time.Minute // to try again to make a segment, when that failed
)

// commitLog makes messages durable in groups. A record of each is appended to a segment, and
// one sync serves all that wait; the files of their mailboxes need none of their own. A
// checkpoint makes those durable, all at once, and frees the segments. Up to then a
// start after a power loss finds in the log what the mailboxes may lack: see recover.
//
// It is no condition of receiving: where it fails, messages are synced one by one.
type commitLog struct {
	disk   disk
	dir    string // on the file system of the mailboxes
	size   int64  // of a segment
	after  time.Duration
	failed func(error)
	synced func(time.Duration) // how long a batch took; may be nil

	mu   sync.Mutex
	open *batch        // that others may join; nil: none
	last chan struct{} // closed once the batch before is on disk, or failed

	writing  sync.Mutex // guards what follows
	active   *segment   // nil: none
	full     []*segment // wait for a checkpoint
	spare    []*segment
	made     int // number of the last segment
	notUntil time.Time
	timer    *time.Timer // until the checkpoint of what is active; nil: none is due
	closed   bool

	checking   sync.Mutex // one checkpoint at a time
	background sync.WaitGroup
}

// batch is records that are written together.
type batch struct {
	data    []byte
	count   int
	done    chan struct{}
	segment *segment // that it is in
	err     error
}

// segment is one file of the log.
type segment struct {
	preallocatedFile
	path    string
	salt    uint64
	used    int64          // octets
	pending sync.WaitGroup // messages that are not in their mailboxes yet
}

func newCommitLog(d disk, dir string, failed func(error)) *commitLog {
	l := &commitLog{
		disk:   d,
		dir:    dir,
		size:   segmentSize,
		after:  checkpointAfter,
		failed: failed,
		last:   make(chan struct{}),
	}

	close(l.last)
	return l
}

// commit returns once the record is on disk, or errNoLog. placed is to be called when the message is
// in its mailboxes, or is not going to be: the record is kept so long.
func (l *commitLog) commit(r record) (placed func(), err error) {
	l.mu.Lock()
	b := l.open
	before := l.last
	first := b == nil || len(b.data) > maxBatch

	if first {
		b = &batch{data: make([]byte, 0, 64<<10), done: make(chan struct{})}
		l.open = b
		l.last = b.done
	}

	b.data = appendRecord(b.data, r)
	b.count++
	l.mu.Unlock()

	if first { // it writes for all who come while the batch before is being written
		<-before
		l.mu.Lock()
		if l.open == b {
			l.open = nil
		}

		l.mu.Unlock()
		began := time.Now()
		b.err = l.write(b)
		if b.err == nil && l.synced != nil {
			l.synced(time.Since(began))
		}

		close(b.done)
	}

	<-b.done
	if b.err != nil {
		return nil, b.err
	}

	return b.segment.pending.Done, nil
}

// errNoLog is why a message has to be synced by itself. What led to it was reported.
var errNoLog = errors.New("no commit log just now")

// write appends a batch to a segment and syncs it. A segment that failed is given up.
func (l *commitLog) write(b *batch) error {
	l.writing.Lock()
	defer l.writing.Unlock()

	if l.closed {
		return errNoLog
	}

	if l.active != nil && l.active.used+int64(len(b.data)) > l.size {
		l.retire()
		l.background.Go(func() { l.checkpoint(false) })
	}

	if l.active == nil {
		if l.active = l.fresh(int64(segmentHeader + len(b.data))); l.active == nil {
			return errNoLog
		}
	}

	l.arm()
	s := l.active
	addChecksums(b.data, s.salt)
	data := b.data
	at := s.used

	if at == segmentHeader {
		data = append(appendHeader(nil, s.salt, l.disk.boot()), data...)
		at = 0
	}

	_, err := s.WriteAt(data, at)
	if err == nil {
		err = s.Sync()
	}

	if err != nil {
		l.retire()
		l.failed(fmt.Errorf("commit log: %w", err))
		return errNoLog
	}

	s.used = at + int64(len(data))
	s.pending.Add(b.count)
	b.segment = s

	return nil
}

// arm sees to a checkpoint of the active segment, in a while.
func (l *commitLog) arm() {
	if l.timer != nil {
		return
	}

	l.background.Add(1)
	l.timer = time.AfterFunc(l.after, func() {
		defer l.background.Done()
		l.checkpoint(true)
	})
}

// retire leaves the active segment to the next checkpoint.
func (l *commitLog) retire() {
	if l.active != nil {
		l.full = append(l.full, l.active)
		l.active = nil
	}
}

// fresh returns a segment with nothing in it, of n octets or more; nil where there is none.
func (l *commitLog) fresh(n int64) *segment {
	s := l.unused(n)
	if s != nil {
		var salt [8]byte
		rand.Read(salt[:])
		s.salt = binary.BigEndian.Uint64(salt[:])
		s.used = segmentHeader
	}

	return s
}

func (l *commitLog) unused(n int64) *segment {
	if len(l.spare) > 0 && n <= l.size {
		s := l.spare[0]
		l.spare = l.spare[1:]
		return s
	}

	if len(l.full) >= maxSegments || time.Now().Before(l.notUntil) {
		return nil // the disk is slow to take what is in the others, or full
	}

	l.made++
	path := filepath.Join(l.dir, fmt.Sprintf("%d.log", l.made))
	a, err := l.disk.reserve(path, max(n, l.size))
	if err == nil {
		if err = l.disk.syncDir(l.dir); err != nil {
			a.Close()
			l.disk.remove(path)
		}
	}

	if err != nil {
		l.notUntil = time.Now().Add(reserveAfter)
		l.failed(fmt.Errorf("commit log: %w", err))
		return nil
	}

	return &segment{preallocatedFile: a, path: path}
}

// checkpoint makes durable what is in the mailboxes, and frees the segments that were kept for
// it: those that are full, and the active one too where asked for.
func (l *commitLog) checkpoint(active bool) {
	l.checking.Lock()
	defer l.checking.Unlock()

	l.writing.Lock()
	if active {
		l.retire()
		l.timer = nil
	}

	taken := l.full
	l.full = nil
	l.writing.Unlock()

	if len(taken) == 0 {
		return
	}

	for _, s := range taken {
		s.pending.Wait()
	}

	err := l.disk.syncAll(l.dir)
	var free []*segment
	for _, s := range taken {
		if err != nil {
			break
		}

		if wiped := s.wipe(); wiped != nil {
			l.discard(s)
			l.disk.syncDir(l.dir)
			continue
		}

		free = append(free, s)
	}

	l.writing.Lock()
	defer l.writing.Unlock()

	if err != nil { // they stay, and go with the next checkpoint
		l.failed(fmt.Errorf("commit log: %w", err))
		l.full = append(taken, l.full...)
		return
	}

	l.spare = append(l.spare, free...)
	for len(l.spare) > 2 {
		l.discard(l.spare[0])
		l.spare = l.spare[1:]
	}
}

// wipe takes the header away, durably: what is in the segment is not to be read again.
func (s *segment) wipe() error {
	_, err := s.WriteAt(make([]byte, segmentHeader), 0)
	if err == nil {
		err = s.Sync()
	}
	return err
}

// discard removes a segment that is no longer needed.
func (l *commitLog) discard(s *segment) {
	s.Close()
	if err := l.disk.remove(s.path); err != nil {
		l.failed(fmt.Errorf("commit log: %w", err))
	}
}

// close ends the log after a last checkpoint. Segments that this could not free stay.
func (l *commitLog) close() {
	l.writing.Lock()
	l.closed = true
	if l.timer != nil && l.timer.Stop() {
		l.background.Done()
	}

	l.writing.Unlock()
	l.checkpoint(true)
	l.background.Wait()

	for _, s := range l.spare {
		l.discard(s)
	}

	for _, s := range l.full {
		s.Close()
	}
}

package receive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/mailsvc/sender"
	"github.com/mailpub/mailpub/plan/durable"
)

const (
	journalAhead    = 1024 // entries that may wait for the disk; further ones are left out
	journalRefusals = 600  // a minute; a flood of refusals must not fill the disk
)

// entry is a line of the journal. README and docs/receiver.md name its fields.
type entry struct {
	Time      time.Time `json:"time"`
	Event     string    `json:"event"` // stored, refused
	ID        string    `json:"id,omitempty"`
	Remote    string    `json:"remote"`
	Helo      string    `json:"helo,omitempty"`
	TLS       string    `json:"tls,omitempty"`
	From      *string   `json:"from,omitempty"` // "" is the null sender
	To        []string  `json:"to,omitempty"`
	Size      int64     `json:"size,omitempty"`
	Mailboxes []string  `json:"mailboxes,omitempty"`
	SPF       string    `json:"spf,omitempty"`
	DKIM      string    `json:"dkim,omitempty"`
	DMARC     string    `json:"dmarc,omitempty"`
	Command   string    `json:"command,omitempty"`
	Reply     string    `json:"reply,omitempty"`
	LeftOut   int       `json:"left_out,omitempty"` // entries before this one that are not there
}

// messageLog writes what the receiver took and refused to a file, a line of JSON each. It is beside the
// point of receiving: whatever happens to it, mail goes on. The file is opened anew when its name
// stands for another one, as after logrotate.
type messageLog struct {
	path string
	warn func(error)

	entries chan entry
	done    chan struct{}

	mu       sync.Mutex // guards what follows
	minute   time.Time
	refusals int // in this minute
	leftOut  int

	file   *os.File
	info   fs.FileInfo
	failed bool // and it was said
}

// newMessageLog begins one; close ends it.
func newMessageLog(path string, warn func(error)) *messageLog {
	j := &messageLog{
		path:    path,
		warn:    warn,
		entries: make(chan entry, journalAhead),
		done:    make(chan struct{}),
	}

	if err := j.open(); err != nil {
		j.fail(err)
	}

	go func() {
		defer close(j.done)
		for e := range j.entries {
			j.write(e)
		}
		if j.file != nil {
			j.file.Close()
		}
	}()

	return j
}

// close writes what is left. No entry may come after it.
func (j *messageLog) close() {
	close(j.entries)
	<-j.done
}

func (j *messageLog) stored(m receiver.Message) {
	spf, dkim, dmarc := sender.Summary(m.Verdict)
	j.add(entry{
		Time:      m.Time,
		Event:     "stored",
		ID:        m.ID,
		Remote:    m.Remote,
		Helo:      m.Helo,
		TLS:       m.TLS,
		From:      &m.From,
		To:        m.To,
		Size:      m.Size,
		Mailboxes: m.Mailboxes,
		SPF:       spf,
		DKIM:      dkim,
		DMARC:     dmarc,
	})
}

func (j *messageLog) refused(r receiver.Refusal) {
	j.mu.Lock()
	if now := r.Time.Truncate(time.Minute); !now.Equal(j.minute) {
		j.minute = now
		j.refusals = 0
	}

	j.refusals++
	over := j.refusals > journalRefusals
	if over {
		j.leftOut++
	}

	j.mu.Unlock()
	if over {
		return
	}

	e := entry{
		Time:    r.Time,
		Event:   "refused",
		Remote:  r.Remote,
		Helo:    r.Helo,
		TLS:     r.TLS,
		Command: r.Command,
		Reply:   r.Reply,
	}

	if r.From != "" {
		e.From = &r.From
	}

	j.add(e)
}

// add hands an entry on, without ever waiting.
func (j *messageLog) add(e entry) {
	j.mu.Lock()
	defer j.mu.Unlock()

	e.LeftOut = j.leftOut
	select {
	case j.entries <- e:
		j.leftOut = 0
	default:
		j.leftOut++
	}
}

func (j *messageLog) write(e entry) {
	line, err := json.Marshal(e)
	if err == nil {
		err = j.current()
	}

	if err == nil {
		_, err = j.file.Write(append(escaped(line), '\n')) // one write a line: readers see no half
	}

	if err != nil {
		j.fail(err)
		return
	}

	j.failed = false
}

// escaped writes what a terminal would obey or not show, control characters beyond ASCII and marks of writing
// direction, as JSON's escapes: the text comes from the sender.
func escaped(line []byte) []byte {
	if !bytes.ContainsFunc(line, isHidden) {
		return line
	}

	var b bytes.Buffer
	for _, r := range string(line) {
		if !isHidden(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, "\\u%04x", unit)
		}
	}

	return b.Bytes()
}

func isHidden(r rune) bool { return !unicode.IsPrint(r) }

// current sees to it that file is what the name stands for.
func (j *messageLog) current() error {
	if j.file != nil {
		if info, err := os.Stat(j.path); err == nil && os.SameFile(info, j.info) {
			return nil
		}
		j.file.Close()
		j.file = nil
	}

	return j.open()
}

func (j *messageLog) open() error {
	f, err := durable.OpenFile(j.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}

	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}

	j.file = f
	j.info = info
	return nil
}

// fail says once that the journal is not written.
func (j *messageLog) fail(err error) {
	if !j.failed {
		j.warn(fmt.Errorf("journal: %w; mail is still received", err))
	}
	j.failed = true
}

package receive

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/mailsvc/receiver"
)

const authResults = "Authentication-Results: mail.nomeazienda.it;\r\n\tspf=pass smtp.mailfrom=client.example;\r\n\tdkim=fail header.d=a.example;\r\n\tdkim=pass header.d=client.example;\r\n\tdmarc=pass header.from=client.example\r\n"

func journalLines(t *testing.T, path string) (lines []entry) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}

	defer f.Close()

	for in := bufio.NewScanner(f); in.Scan(); {
		var e entry
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			t.Errorf("%q: %v", in.Text(), err)
		}
		lines = append(lines, e)
	}

	return lines
}

// No control character or mark of direction comes into the log as it is, and each is read back.
func TestMessageLogEscapes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j := newMessageLog(path, func(err error) { t.Error(err) })
	const hostile = "x\u009b31m \u202egpj.exe\u2066 \U000e0001 \x1b[2J caff\u00e8"
	j.stored(receiver.Message{ID: "1", Time: time.Unix(0, 0), Helo: hostile})
	j.close()
	data, err := os.ReadFile(path)
	if err != nil || strings.ContainsAny(string(data), "\u009b\u202e\u2066\U000e0001\x1b") ||
		!strings.Contains(string(data), "caff\u00e8") {
		t.Errorf("%q, %v", data, err)
	}

	if got := journalLines(t, path); len(got) != 1 || got[0].Helo != hostile {
		t.Errorf("%+v", got)
	}
}

func TestMessageLog(t *testing.T) {
	when := time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j := newMessageLog(path, func(err error) { t.Error(err) })
	m := receiver.Message{
		ID:        "1",
		Time:      when,
		Remote:    "192.0.2.1:5",
		Helo:      "c.example",
		From:      "",
		To:        []string{"mario@nomeazienda.it"},
		Size:      42,
		Mailboxes: []string{"mario"},
		TLS:       "TLS 1.3 X",
		Verdict:   authResults,
	}

	j.stored(m)
	j.refused(receiver.Refusal{
		Time:    when,
		Remote:  "192.0.2.1:6",
		Command: "RCPT TO:<\"<b>\"@x>\x1b",
		Reply:   "550 5.1.1 no such user here",
	})

	j.close()
	j = newMessageLog(path, func(err error) { t.Error(err) })
	j.stored(m) // a later run goes on behind
	j.close()
	got := journalLines(t, path)

	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}

	if e := got[0]; e.Event != "stored" || e.ID != "1" || e.From == nil || *e.From != "" ||
		e.SPF != "pass" || e.DKIM != "pass" || e.DMARC != "pass" || e.Size != 42 ||
		e.Mailboxes[0] != "mario" || !e.Time.Equal(when) {
		t.Errorf("%+v", e)
	}

	if e := got[1]; e.Event != "refused" || e.From != nil ||
		e.Reply != "550 5.1.1 no such user here" || !strings.Contains(e.Command, "<b>") {
		t.Errorf("%+v", e)
	}
}

// A journal that was moved away, as logrotate does, goes on in a new file of its name.
func TestMessageLogRotated(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("left out: Windows does not rename what is open")
	}

	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j := newMessageLog(path, func(err error) { t.Error(err) })
	written := func(in string, n int) {
		t.Helper()
		for range 1000 {
			if data, err := os.ReadFile(in); err == nil &&
				strings.Count(string(data), "\n") == n {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}

		t.Fatalf("%s has not %d lines", in, n)
	}

	j.stored(receiver.Message{ID: "1"})
	written(path, 1)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}

	j.stored(receiver.Message{ID: "2"})
	j.stored(receiver.Message{ID: "3"})
	written(path, 2)
	written(path+".1", 1)
	j.close()
}

// Whatever happens to the journal, nobody waits for it; its failure is said once.
func TestMessageLogFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	var mu sync.Mutex
	var said []error
	j := newMessageLog(filepath.Join(dir, "journal.jsonl"), func(err error) {
		mu.Lock()
		said = append(said, err)
		mu.Unlock()
	})

	for range 10 {
		j.stored(receiver.Message{})
	}

	j.close()
	if len(said) != 1 || !errors.Is(said[0], os.ErrNotExist) ||
		!strings.Contains(said[0].Error(), "mail is still received") {
		t.Errorf("said %v", said)
	}

	stuck := &messageLog{entries: make(chan entry, 1)} // nobody takes them
	now := time.Now()
	for range 5 * journalRefusals {
		stuck.stored(receiver.Message{})
		stuck.refused(receiver.Refusal{Time: now})
	}

	if want := 10*journalRefusals - 1; stuck.leftOut != want {
		t.Errorf("%d are left out, want %d", stuck.leftOut, want)
	}

	<-stuck.entries
	if stuck.stored(receiver.Message{}); (<-stuck.entries).LeftOut != 10*journalRefusals-1 {
		t.Error("the next entry does not say how many")
	}
}

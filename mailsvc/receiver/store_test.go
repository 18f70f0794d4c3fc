package receiver

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// readAll returns the texts of all stored messages.
func readAll(t testing.TB, r *running) (texts []string) {
	t.Helper()
	for _, name := range r.stored(t) {
		data, err := os.ReadFile(filepath.Join(r.Server.Maildir, name))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}

	return texts
}

// TestStoredMessage sees what a message looks like on disk, and what is told of it.
func TestStoredMessage(t *testing.T) {
	when := time.Date(2026, 11, 24, 1, 2, 3, 4000, time.FixedZone("", 3600))
	r := start(t, site, func(s *Server) { s.Now = func() time.Time { return when } })
	c := r.dial(t)
	c.say("HELO (evil) [x]", "250")
	c.say(`MAIL FROM:<"a> b"@client.example>`, "250")

	for _, to := range []string{"info@nomeazienda.it", "postmaster", "sales@nomeazienda.it",
		"mario@nomeazienda.it"} {
		c.say("RCPT TO:<"+to+">", "250")
	}

	c.say("DATA", "354")
	c.send("Subject: x\r\n\r\nhello\r\n.\r\n")
	c.expect("250 2.0.0")
	told := r.delivered()

	if len(told) != 1 {
		t.Fatalf("told of %d messages", len(told))
	}

	m := told[0]
	want := "Return-Path: <\"a> b\"@client.example>\r\n" +
		"Received: from ?evil? ([127.0.0.1])\r\n\tby mail.nomeazienda.it with SMTP id " +
		m.ID + ";\r\n" +
		"\tTue, 24 Nov 2026 01:02:03 +0100\r\nSubject: x\r\n\r\nhello\r\n"

	files := r.stored(t)
	if len(files) != 2 || files[0] != "anna/new/"+m.ID || files[1] != "mario/new/"+m.ID {
		t.Errorf("stored %q", files)
	}

	for i, text := range readAll(t, r) {
		if text != want || m.Size != int64(len(want)) ||
			m.Paths[1-i] != filepath.Join(r.Server.Maildir, files[i]) {
			t.Errorf("stored %q\nwant   %q\ntold   %+v", text, want, m)
		}
	}

	if m.From != "a> b@client.example" || len(m.To) != 4 ||
		m.To[1] != "postmaster@mail.nomeazienda.it" || !m.Time.Equal(when) {
		t.Errorf("told %+v", m)
	}

	for _, dir := range []string{"mario", "mario/new", "mario/cur", "mario/tmp"} {
		info, err := os.Stat(filepath.Join(r.Server.Maildir, dir))
		if err != nil || info.Mode().Perm() != 0o700 && runtime.GOOS != "windows" { // which has no such bits
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}

	c.say("MAIL FROM:<>", "250")
	c.say("RCPT TO:<info@nomeazienda.it>", "250")
	c.say("DATA", "354")
	c.send(".\r\n") // an empty message is one
	c.expect("250")

	if told := r.delivered(); len(told) != 2 || told[1].ID == m.ID {
		t.Errorf("told %+v", told)
	}

	for _, text := range readAll(t, r) {
		if strings.HasPrefix(text, "Return-Path: <>\r\n") &&
			!strings.Contains(text, "\r\n\tfor <info@nomeazienda.it>;\r\n") {
			t.Errorf("stored %q", text)
		}
	}
}

// TestCutOff closes the connection in the middle of a message, in every way.
func TestCutOff(t *testing.T) {
	for name, said := range map[string]string{
		"DATA at once":               "DATA\r\n",
		"DATA in a header":           "DATA\r\nSubject: x",
		"DATA before the end":        "DATA\r\nSubject: x\r\n\r\nbody\r\n",
		"DATA in the end":            "DATA\r\nSubject: x\r\n\r\nbody\r\n.\r",
		"BDAT in a chunk":            "BDAT 1000\r\nSubject: x\r\n",
		"BDAT in the last chunk":     "BDAT 1000 LAST\r\nSubject: x\r\n",
		"BDAT before the last chunk": "BDAT 12\r\nSubject: x\r\n",
		"BDAT and RSET":              "BDAT 12\r\nSubject: x\r\nRSET\r\nQUIT\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, site, nil)
			c := r.dial(t)
			c.say("EHLO client.example", "250")
			c.say("MAIL FROM:<>", "250")
			c.say("RCPT TO:<postmaster>", "250")
			c.send(said)
			if err := c.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}

			for got := c.reply(); got != ""; got = c.reply() {
				if strings.Contains(got, "queued") {
					t.Errorf("it was accepted: %q", got)
				}
			}

			if err := r.stop(); err != nil {
				t.Fatal(err)
			}

			if got := r.stored(t); len(got) != 0 || len(r.delivered()) != 0 {
				t.Errorf("stored %q", got)
			}
		})
	}
}

func TestChunks(t *testing.T) {
	r := start(t, site, nil)
	c := r.dial(t)
	c.say("EHLO client.example", "250")

	for _, chunk := range []struct{ text, want string }{
		{"bare\nLF", "550 5.6.0"}, {"bare\rCR", "550 5.6.0"}, {"NUL\x00", "550 5.6.0"},
		{"ends in CR\r", "550 5.6.0"}, {"\r\n.\r\nMAIL FROM:<>\r\n", "250"},
	} {
		c.say("MAIL FROM:<>", "250")
		c.say("RCPT TO:<postmaster>", "250")
		c.send(fmt.Sprintf("BDAT %d LAST\r\n%s", len(chunk.text), chunk.text))
		c.expect(chunk.want)
		c.say("NOOP", "250")
	}

	c.say("MAIL FROM:<>", "250")
	c.say("RCPT TO:<postmaster>", "250")
	c.send("BDAT 7\r\nSubjectBDAT 4\r\n: x\rBDAT 7 LAST\r\n\n\r\ntext")

	for range 3 {
		c.expect("250")
	}

	got := readAll(t, r)
	if len(got) != 2 {
		t.Fatalf("stored %q", got)
	}

	if !strings.HasSuffix(got[0], "\r\n.\r\nMAIL FROM:<>\r\n") ||
		!strings.HasSuffix(got[1], "\r\nSubject: x\r\n\r\ntext") {
		t.Errorf("stored %q", got)
	}
}

// faulty is a disk whose step number n fails, all kinds of steps counted.
type faulty struct {
	osDisk
	mu   sync.Mutex
	left int
	hit  string

	alone bool // where there is no commit log
}

var errNoSpace = errors.New("no space left on device")

func (d *faulty) step(what string) error {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.left--
	if d.left == 0 {
		d.hit = what
		return errNoSpace
	}

	return nil
}

func (d *faulty) groups() bool { return !d.alone && d.osDisk.groups() }
func (d *faulty) lock(path string) (file, error) {
	if err := d.step("lock"); err != nil {
		return nil, err
	}
	return d.osDisk.lock(path)
}
func (d *faulty) list(dir string) ([]string, error) {
	if err := d.step("list"); err != nil {
		return nil, err
	}
	return d.osDisk.list(dir)
}
func (d *faulty) reserve(path string, n int64) (preallocatedFile, error) {
	if err := d.step("reserve"); err != nil {
		return nil, err
	}
	a, err := d.osDisk.reserve(path, n)
	return &faultyArea{d, a}, err
}

type faultyArea struct {
	disk *faulty
	preallocatedFile
}

func (a *faultyArea) WriteAt(p []byte, at int64) (int, error) {
	if err := a.disk.step("log write"); err != nil {
		n, _ := a.preallocatedFile.WriteAt(p[:len(p)/2], at)
		return n, err
	}
	return a.preallocatedFile.WriteAt(p, at)
}
func (a *faultyArea) Sync() error {
	return errors.Join(a.disk.step("log sync"), a.preallocatedFile.Sync())
}

func (d *faulty) makeDir(path string) error {
	return errors.Join(d.step("makeDir"), d.osDisk.makeDir(path))
}
func (d *faulty) rename(from, to string) error {
	if err := d.step("rename"); err != nil {
		return err
	}
	return d.osDisk.rename(from, to)
}
func (d *faulty) syncDir(path string) error {
	if err := d.step("syncDir"); err != nil {
		return err
	}
	return d.osDisk.syncDir(path)
}
func (d *faulty) create(path string) (file, error) {
	if err := d.step("create"); err != nil {
		return nil, err
	}
	f, err := d.osDisk.create(path)
	return &faultyFile{d, f}, err
}

type faultyFile struct {
	disk *faulty
	file
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.disk.step("write"); err != nil {
		n, _ := f.file.Write(p[:len(p)/2]) // as a full disk does
		return n, err
	}
	return f.file.Write(p)
}
func (f *faultyFile) Sync() error  { return errors.Join(f.disk.step("sync"), f.file.Sync()) }
func (f *faultyFile) Close() error { return errors.Join(f.disk.step("close"), f.file.Close()) }

// TestEveryDiskFault lets each step of storing fail in turn: either the message is stored in
// spite of it, in both mailboxes, or the sender is told to come back, and finds that nothing was;
// and the next time it is.
func TestEveryDiskFault(t *testing.T) {
	message := "Subject: x\r\n\r\n" + strings.Repeat("0123456789\r\n", 10000) + ".\r\n"
	for _, alone := range []bool{true, false} {
		hit := map[string]int{}
		for n := 1; ; n++ {
			d := &faulty{left: n, alone: alone}
			r := start(t, site, func(s *Server) { s.maildir.disk = d })
			c := r.dial(t)
			c.say("EHLO client.example", "250")
			transaction := func() string {
				c.say("MAIL FROM:<>", "250")
				c.say("RCPT TO:<postmaster>", "250")
				c.say("RCPT TO:<sales@nomeazienda.it>", "250")
				c.say("DATA", "354")
				c.send(message)
				return c.reply()
			}

			first := transaction()
			d.mu.Lock()
			failed := d.hit
			d.mu.Unlock()

			if failed == "" {
				if !strings.HasPrefix(first, "250") {
					t.Errorf("without a fault: %q", first)
				}
				break
			}

			hit[failed]++
			want := 0
			if strings.HasPrefix(first, "250") {
				want = 2
			} else if !strings.HasPrefix(first, "452 4.3.1") {
				t.Errorf("step %d, %s failed: %q", n, failed, first)
			}

			if got := r.stored(t); len(got) != want || len(r.delivered()) != want/2 {
				t.Errorf("step %d, %s failed, %q is answered, and there is %q", n, failed,
					first, got)
			}

			if second := transaction(); !strings.HasPrefix(second, "250") {
				t.Errorf("step %d, %s failed; the next time: %q", n, failed, second)
			}

			if got := r.stored(t); len(got) != want+2 {
				t.Errorf("step %d, %s failed; the next time %q is stored", n, failed, got)
			}

			if inLog := slices.Contains([]string{"reserve", "log write", "log sync"},
				failed); inLog && want == 0 {
				t.Errorf("step %d, %s failed, and the message was not synced by itself", n,
					failed)
			}
		}

		steps := []string{"makeDir", "create", "write", "close", "rename"}
		if alone {
			steps = append(steps, "sync", "syncDir")
		} else if (osDisk{}).groups() {
			steps = append(steps, "lock", "list", "reserve", "log write", "log sync")
		}

		for _, step := range steps {
			if hit[step] == 0 {
				t.Errorf("%s never failed: %v", step, hit)
			}
		}
	}
}

// TestFileThatIsThere never overwrites a message, whatever the names.
func TestFileThatIsThere(t *testing.T) {
	m := &maildir{disk: osDisk{}, root: filepath.Join(t.TempDir(), "mail")}
	if err := m.prepare("mario"); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(m.root, "mario", "tmp", "name")
	if err := os.WriteFile(path, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, _, err := m.store([]string{"mario"}, "name", nil,
		strings.NewReader("second")); err == nil {
		t.Error("it was stored")
	}

	if data, err := os.ReadFile(path); err != nil || string(data) != "first" {
		t.Errorf("the file is %q, %v", data, err)
	}

	r := &Server{host: "h", run: "r"}
	if a, b := r.unique(time.Unix(5, 0)), r.unique(time.Unix(5, 0)); a == b {
		t.Errorf("two messages are called %s", a)
	}
}

func TestStrictReaderPassesErrorsOn(t *testing.T) {
	s := &strictReader{from: io.MultiReader(strings.NewReader("x"), errReader{}), left: 10}
	if _, err := io.Copy(io.Discard, s); !errors.Is(err, errNoSpace) || s.err == nil ||
		s.refused != nil {
		t.Errorf("%v, broken %v, refused %v", err, s.err, s.refused)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errNoSpace }

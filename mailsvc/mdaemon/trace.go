package mdaemon

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxLog is how much of the end of a log is looked at.
const maxLog = 256 << 10

// Refusal returns why the server last refused a command that names an address, by its SMTP-in log: what it noted
// between the command and its reply, or else the reply itself. Only sessions since a time, from clients of
// ours, count; "" where there is none. MDaemon writes a session when it is over.
func (a *App) Refusal(address string, ours func(client string) bool, since time.Time) (string, error) {
	path := filepath.Join(filepath.Dir(a.Dir), "Logs",
		"MDaemon-"+since.Format(time.DateOnly)+"-SMTP-(in).log")

	text, err := tail(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}

	var s session
	why := ""
	for _, line := range strings.Split(string(text), "\n") {
		at, rest := logLine(strings.TrimRight(line, "\r"))
		if client, is := strings.CutPrefix(rest, "Accepting SMTP connection from "); is {
			client, _, _ = strings.Cut(client, " ")
			s = session{ours: ours(client) && !at.Before(since.Truncate(time.Second))}
			continue
		}

		if said := s.line(rest, address); said != "" {
			why = said
		}
	}

	return why, nil
}

// session is one in the log, read line by line.
type session struct {
	ours  bool
	about bool     // the last command names the address
	notes []string // since that command
}

// line takes up a line, and returns why the command was refused where it says so.
func (s *session) line(text, address string) string {
	command, is := strings.CutPrefix(text, "<-- ")
	switch {
	case !s.ours:
	case is:
		s.about = strings.Contains(strings.ToLower(command), "<"+strings.ToLower(address)+">")
		s.notes = nil
	case isRefusal(text) && s.about:
		return strings.Join(append(s.notes, strings.TrimPrefix(text, "--> ")), ": ")
	case !strings.HasPrefix(text, "--> "):
		s.notes = append(s.notes, text)
	}

	return ""
}

// isRefusal reports whether a line is a reply of class 4 or 5.
func isRefusal(line string) bool {
	reply, is := strings.CutPrefix(line, "--> ")
	return is && len(reply) > 3 && (reply[0] == '4' || reply[0] == '5') &&
		(reply[3] == ' ' || reply[3] == '-')
}

// logLine parts a line into its time and the rest: "Sun 2026-11-29 12:00:00.123: <-- MAIL ...". Newer
// versions put a number between the two.
func logLine(line string) (at time.Time, rest string) {
	day, rest, ok := strings.Cut(line, ": ")
	if !ok {
		return at, line
	}

	if _, clock, ok := strings.Cut(day, " "); ok {
		at, _ = time.ParseInLocation("2006-01-02 15:04:05.000", clock, time.Local)
	}

	if number, after, ok := strings.Cut(rest, ": "); ok &&
		strings.Trim(number, "0123456789 ") == "" {
		rest = after
	}

	return at, rest
}

func tail(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}

	defer f.Close()

	info, err := f.Stat()
	if err != nil {
		return nil, err
	}

	skip := max(info.Size()-maxLog, 0)
	text, err := io.ReadAll(io.NewSectionReader(f, skip, maxLog))
	if skip > 0 { // it begins in the middle of a line
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}

	return text, err
}

// Folder is where the messages of a mailbox are, as MDaemon has it by default; "" where that is no folder.
func (d *Driver) Folder(mailbox string) string {
	if d.App == nil {
		return ""
	}

	local, domain, ok := strings.Cut(d.fullAddress(mailbox), "@")
	dir := filepath.Join(filepath.Dir(d.App.Dir), "Users", domain, local)
	if info, err := os.Stat(dir); !ok || err != nil || !info.IsDir() {
		return ""
	}

	return dir
}

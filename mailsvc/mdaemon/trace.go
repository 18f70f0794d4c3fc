package mdaemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxLog is how much of the end of a log is looked at.
const maxLog = 256 << 10

// Refusal returns the line of today's SMTP-in log with which the server last refused something, and the command
// before it, in a session from one of the addresses since a time; "" where there is none. MDaemon writes a
// session when it is over.
func (a *App) Refusal(from func(address string) bool, since time.Time) (string, error) {
	path := filepath.Join(filepath.Dir(a.Dir), "Logs", "MDaemon-"+since.Format(time.DateOnly)+"-SMTP-(in).log")
	text, err := tail(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	said, ours, command := "", false, ""
	for _, line := range strings.Split(string(text), "\n") {
		at, rest := logLine(strings.TrimRight(line, "\r"))
		switch {
		case strings.HasPrefix(rest, "Accepting SMTP connection from "):
			client, _, _ := strings.Cut(strings.TrimPrefix(rest, "Accepting SMTP connection from "), " ")
			ours = from(client) && !at.Before(since.Truncate(time.Second))
		case strings.HasPrefix(rest, "<-- "):
			command = strings.TrimPrefix(rest, "<-- ")
		case ours && isRefusal(rest):
			said = fmt.Sprintf("%s: %s", command, strings.TrimPrefix(rest, "--> "))
		}
	}
	return said, nil
}

// isRefusal reports whether a line is a reply of class 4 or 5.
func isRefusal(line string) bool {
	reply, is := strings.CutPrefix(line, "--> ")
	return is && len(reply) > 3 && (reply[0] == '4' || reply[0] == '5') && (reply[3] == ' ' || reply[3] == '-')
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
	if number, after, ok := strings.Cut(rest, ": "); ok && strings.Trim(number, "0123456789 ") == "" {
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

package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan/durable"
)

// entry is a line of a history: a state, or an event where it has a kind. Times are Unix seconds.
type entry struct {
	At      int64      `json:"at"`
	Until   int64      `json:"until,omitempty"`
	State   State      `json:"state,omitempty"`
	Kind    watch.Kind `json:"kind,omitempty"`
	Subject string     `json:"subject,omitempty"`
	Text    string     `json:"text,omitempty"`
	Took    int64      `json:"ms,omitempty"`
}

// readFile reads a site's history, and how many lines it has. A file without any record is something else, and an error.
func readFile(path string) (records []entry, lines int, err error) {
	data, err := durable.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("history %s: %w", path, err)
	}

	records, lines = parse(data)
	if records == nil && bytes.Contains(data, []byte("\n")) {
		return nil, 0, fmt.Errorf("history %s: it is not a history of mailpub", path)
	}

	return records, lines, nil
}

// appendRecord adds a line to a file, behind whatever the last write left there.
func appendRecord(path string, r entry) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}

	f, err := durable.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("history %s: %w", path, err)
	}

	size, err := endsInLine(f)
	if err == nil && size < 0 {
		line = append([]byte("\n"), line...)
	}

	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}

	if err = errors.Join(err, f.Close()); err == nil && size == 0 {
		err = durable.Inherit(path)
	}

	if err != nil {
		return fmt.Errorf("history %s: %w", path, err)
	}

	return nil
}

// endsInLine returns the size of a file, negative where its last line has no end.
func endsInLine(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}

	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil {
		return 0, err
	}
	if last[0] != '\n' {
		return -info.Size(), nil
	}

	return info.Size(), nil
}

// writeFile replaces a file.
func writeFile(path string, records []entry) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	for _, r := range records {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}

	return durable.Replace(path, text.Bytes())
}

// foldStates reads states in the order in which they were written: the same state goes on, another one ends the
// one before. What a clock that was set back says of a time that is known already is left out.
func foldStates(records []entry) (states []entry) {
	for _, r := range records {
		if r.Kind != "" {
			continue
		}

		if len(states) == 0 {
			states = append(states, r)
			continue
		}

		last := &states[len(states)-1]
		switch {
		case r.At < last.At:
		case r.State == last.State && r.At <= last.Until:
			last.Until = max(last.Until, r.Until)
		case r.At == last.At:
			*last = r
		default:
			last.Until = min(last.Until, r.At)
			states = append(states, r)
		}
	}

	return states
}

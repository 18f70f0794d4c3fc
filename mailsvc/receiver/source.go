package receiver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// source re-reads the settings file when it has changed. Settings that can't be read do
// not replace those that could. A file that is gone does: the receiver is no longer set up.
type source struct {
	path   string
	report func(error) // told once of each file that can't be read

	mu      sync.Mutex
	current Settings
	loaded  bool
	seen    fs.FileInfo // of the file last read, or reported
	failed  string      // the last failure to open it, as reported
}

// get returns the settings in force; ok is false as long as there are none.
func (s *source) get() (_ Settings, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		s.current = Settings{}
		s.loaded = false
		s.seen = nil
		s.failed = ""
		return Settings{}, false
	}

	if err == nil && !s.changed(info) {
		return s.current, s.loaded
	}

	var data []byte
	if err == nil {
		data, err = os.ReadFile(s.path)
	}

	if err != nil { // it may be readable the next time
		if s.failed != err.Error() {
			s.report(fmt.Errorf("receiver settings: %w", err))
		}
		s.seen, s.failed = nil, err.Error()
		return s.current, s.loaded
	}

	s.seen = info
	s.failed = ""
	fresh, err := DecodeSettings(data)
	if err != nil {
		s.report(fmt.Errorf("receiver settings %s: %w", s.path, err))
		return s.current, s.loaded
	}

	s.current = fresh
	s.loaded = true
	return s.current, true
}

func (s *source) changed(info fs.FileInfo) bool {
	return s.seen == nil || !os.SameFile(s.seen, info) ||
		s.seen.Size() != info.Size() || !s.seen.ModTime().Equal(info.ModTime())
}

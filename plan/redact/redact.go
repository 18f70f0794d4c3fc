// Package redact takes secrets out of texts that come from outside: a server that refuses a key may repeat it
// in its error. It knows the secrets in use and how they are spelled; it knows nothing of where they are used.
package redact

import (
	"errors"
	"slices"
	"strings"
	"sync"
)

// Mark stands in the place of a secret.
const Mark = "[secret]"

// Set is a set of secrets. Its zero value is empty and ready, a nil one stays empty. It is safe for concurrent
// use, and may not be copied.
type Set struct {
	mu        sync.RWMutex
	known     map[string]bool
	spellings []string // the longest first
}

// Add puts secrets into the set.
func (s *Set) Add(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, secret := range secrets {
		if s.known[secret] || len(secret) < Shortest {
			continue
		}

		if s.known == nil {
			s.known = map[string]bool{}
		}

		s.known[secret] = true
		s.spellings = append(s.spellings, Spellings(secret)...)
	}

	slices.SortFunc(s.spellings, func(a, b string) int { return len(b) - len(a) })
}

// Text returns a text without the secrets.
func (s *Set) Text(text string) string {
	if s == nil || text == "" {
		return text
	}

	s.mu.RLock()
	defer s.mu.RUnlock()

	for _, spelling := range s.spellings {
		text = strings.ReplaceAll(text, spelling, Mark)
	}

	return text
}

// Error returns an error whose text has no secrets. One that has none is returned as it is; of another one
// errors.Is finds what it wraps, and errors.As does not, so that no text of it can be had that way.
func (s *Set) Error(err error) error {
	if err == nil {
		return nil
	}

	text := s.Text(err.Error())
	if text == err.Error() {
		return err
	}

	return redacted{text: text, err: err}
}

type redacted struct {
	text string
	err  error
}

func (r redacted) Error() string        { return r.text }
func (r redacted) Is(target error) bool { return errors.Is(r.err, target) }

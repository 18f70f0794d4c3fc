package zone

import "sync"

// Shared is what zones of one run have in common, such as connections to the name server that
// holds them. Each provider that has such a thing keeps it here under a key of its own. The zero
// value is ready; methods may be called concurrently.
type Shared struct {
	mu     sync.Mutex
	things map[any]interface{ Close() }
}

// SharedBy returns the thing under a key, made when it is asked for first.
func SharedBy[T interface{ Close() }](s *Shared, key any, fresh func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()

	if thing, ok := s.things[key].(T); ok {
		return thing
	}

	if s.things == nil {
		s.things = map[any]interface{ Close() }{}
	}

	thing := fresh()
	s.things[key] = thing
	return thing
}

// Close closes what is shared and not in use. What is asked for later is kept anew.
func (s *Shared) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, thing := range s.things {
		thing.Close()
	}
}

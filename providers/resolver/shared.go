package resolver

import (
	"context"
	"sync"
)

// QuestionPool is what the resolvers of many sites have in common: sockets, and how many questions one name
// server is asked at a time. The zero value is ready; methods may be called concurrently.
type QuestionPool struct {
	sockets sockets

	mu      sync.Mutex
	servers map[string]*questions
}

// mostQuestions is how many questions to one server may be under way: at a round trip of 30 ms that is
// 2,000 a second.
const mostQuestions = 64

// questions are those to one server.
type questions struct {
	slots chan struct{}
	users int // that wait or ask; guarded by QuestionPool.mu
}

// acquire waits until one more question may be put to a server. It fails with ctx's error.
func (s *QuestionPool) acquire(ctx context.Context, server string) error {
	s.mu.Lock()
	q := s.servers[server]
	if q == nil {
		q = &questions{slots: make(chan struct{}, mostQuestions)}
		if s.servers == nil {
			s.servers = map[string]*questions{}
		}
		s.servers[server] = q
	}

	q.users++
	s.mu.Unlock()

	select {
	case q.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		s.forget(server, q)
		return ctx.Err()
	}
}

// release ends a question.
func (s *QuestionPool) release(server string) {
	s.mu.Lock()
	q := s.servers[server]
	s.mu.Unlock()

	<-q.slots
	s.forget(server, q)
}

func (s *QuestionPool) forget(server string, q *questions) {
	s.mu.Lock()
	defer s.mu.Unlock()

	q.users--
	if q.users == 0 {
		delete(s.servers, server)
	}
}

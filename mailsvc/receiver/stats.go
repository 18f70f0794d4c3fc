package receiver

import (
	"errors"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"time"
)

// Refusal is what is told of a reply of 4xx or 5xx.
type Refusal struct {
	Time    time.Time
	Remote  string // address and port of the client
	Helo    string
	TLS     string // version and cipher; "" in the clear
	From    string // envelope sender, where there is one
	Command string // that it answers, without the words of AUTH; "" before the first
	Reply   string // code, enhanced code and text
}

// Reason returns the code and the enhanced code of the reply, "550 5.1.1".
func (r Refusal) Reason() string {
	n := 3
	if len(r.Reply) > 4 && r.Reply[3] == ' ' {
		n = 4
		for n < len(r.Reply) && (r.Reply[n] == '.' || r.Reply[n] >= '0' && r.Reply[n] <= '9') {
			n++
		}
	}

	if n <= 4 || n > len(r.Reply) {
		n = min(3, len(r.Reply))
	}

	return r.Reply[:n]
}

// Outcome is what became of a message that came to its end.
type Outcome string

// Values of Outcome.
const (
	Stored   Outcome = "stored"
	Deferred Outcome = "deferred" // 4xx: its sender is to come back
	Refused  Outcome = "refused"  // 5xx
)

// OutcomeLabels is how a message ended.
type OutcomeLabels struct {
	Outcome Outcome
	TLS     bool
}

// Stats are counts since Serve began.
type Stats struct {
	Connections uint64                   // let in
	Open        int64                    // now
	TLS         uint64                   // handshakes that succeeded
	TLSFailed   uint64                   // handshakes that failed
	Evicted     uint64                   // sessions that waited too long when others wanted their place
	Messages    map[OutcomeLabels]uint64 // that came to their end
	Octets      uint64                   // of those stored, counted once for each message
	Refused     map[string]uint64        // replies of 4xx and 5xx by Refusal.Reason

	Commits       uint64             // syncs of messages to disk, each for one message or several
	CommitSeconds float64            // their sum
	CommitWithin  map[float64]uint64 // how many took at most so many seconds
}

// commitBuckets are the seconds of Stats.CommitWithin.
var commitBuckets = [...]float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5}

// counters are the Stats that a server counts.
type counters struct {
	mu sync.Mutex
	Stats
}

// count changes the counts.
func (c *counters) count(change func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.Stats)
}

func (c *counters) synced(took time.Duration) {
	c.count(func(s *Stats) {
		if s.CommitWithin == nil {
			s.CommitWithin = map[float64]uint64{}
		}

		s.Commits++
		s.CommitSeconds += took.Seconds()
		for _, b := range commitBuckets {
			if took.Seconds() <= b {
				s.CommitWithin[b]++
			}
		}
	})
}

// Stats returns what was counted so far. It may be called at any time.
func (s *Server) Stats() Stats {
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	out := s.counters.Stats
	out.Messages = maps.Clone(out.Messages)
	out.Refused = maps.Clone(out.Refused)
	out.CommitWithin = maps.Clone(out.CommitWithin)
	return out
}

// countOutcome counts a message by its reply.
func (s *Server) countOutcome(m Message, r *response) {
	outcome := Stored
	switch {
	case r.code >= 500:
		outcome = Refused
	case r.code >= 400:
		outcome = Deferred
	}

	s.counters.count(func(c *Stats) {
		if c.Messages == nil {
			c.Messages = map[OutcomeLabels]uint64{}
		}
		c.Messages[OutcomeLabels{outcome, m.TLS != ""}]++
		if outcome == Stored {
			c.Octets += uint64(m.Size)
		}
	})
}

// handshakeFailed counts and tells of a TLS handshake that failed, which no reply can tell of.
func (s *Server) handshakeFailed(c *conn, err error) {
	s.counters.count(func(c *Stats) { c.TLSFailed++ })
	s.reportRefusal(Refusal{
		Time:    s.now(),
		Remote:  c.raw.RemoteAddr().String(),
		Helo:    c.helo,
		Command: c.command,
		Reply:   "TLS handshake failed: " + handshakeReason(err),
	})
}

// handshakeReason is the error of a handshake without the addresses of its connection.
func handshakeReason(err error) string {
	var op *net.OpError
	switch {
	case isTimeout(err):
		return "no answer in time"
	case errors.Is(err, io.EOF):
		return "the client went away"
	case errors.As(err, &op):
		return op.Err.Error()
	}

	return strings.TrimPrefix(err.Error(), "tls: ")
}

// refused counts a refusal and tells of it.
func (s *Server) refused(r Refusal) {
	s.counters.count(func(c *Stats) {
		if c.Refused == nil {
			c.Refused = map[string]uint64{}
		}
		c.Refused[r.Reason()]++
	})
	s.reportRefusal(r)
}

func (s *Server) reportRefusal(r Refusal) {
	s.log().Info("refused", "remote", r.Remote, "command", r.Command, "reply", r.Reply)
	if s.Refused == nil {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.Refused(r)
}

package site

import (
	"fmt"
	"sync"
	"time"
)

// messageCount is how many messages verify has sent on a day, kept beside the ledger: a run that is started again and
// again sends no more than the config allows.
type messageCount struct {
	Day  string `json:"day"`
	Sent int    `json:"sent"`
}

// counting keeps the counts of one process in order.
var counting sync.Mutex

// countMessage counts one more message. The error says that today's are used up, or why that can't be kept.
func (s *Site) countMessage() error {
	counting.Lock()
	defer counting.Unlock()

	state := s.options.state(s.cfg)
	today := time.Now().Format(time.DateOnly)
	var is messageCount
	if err := readState(state, StateMessages, &is); err != nil {
		return fmt.Errorf("cannot read today's message count: %w", err)
	}

	if is.Day != today {
		is = messageCount{Day: today}
	}

	if most := s.cfg.Verify.MessagesPerDay(); is.Sent >= most {
		return fmt.Errorf("today's limit of %d messages is reached (verify.messages_per_day)",
			most)
	}

	is.Sent++
	return writeState(state, StateMessages, is)
}

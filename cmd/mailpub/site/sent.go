package site

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// messageEvery is how often a message is sent whose copy stays in a mailbox.
const messageEvery = 24 * time.Hour

// sentMessages is what the messages that checks sent last have shown. It is kept beside the ledger, so that a
// timer that starts watch again and again sends them once a day as well.
type sentMessages struct {
	Digest string           `json:"digest"` // of the config that they were sent with
	At     time.Time        `json:"at,omitzero"`
	Public []netip.Addr     `json:"public"` // that the site had then
	Checks []plan.KeptCheck `json:"checks"`
}

// due reports whether messages are sent again: none was sent yet or since a repair, the last ones are a day old or
// from the future, one failed, or the site has another public address, of which they prove nothing.
func (m sentMessages) due(public []netip.Addr, now time.Time) bool {
	failing := slices.ContainsFunc(m.Checks, func(c plan.KeptCheck) bool {
		return c.Status == plan.Fail
	})
	age := now.Sub(m.At)
	return m.At.IsZero() || failing || age < 0 || age >= messageEvery ||
		!slices.Equal(m.Public, public)
}

// checks are the findings.
func (m sentMessages) checks() (checks []plan.Check) {
	for _, c := range m.Checks {
		checks = append(checks, c.Whole())
	}
	return checks
}

func (m *sentMessages) add(c plan.Check) { m.Checks = append(m.Checks, plan.Keep(c)) }

// messageStore is what messages showed last, in the site's state where it is to outlast the process.
// Its zero value keeps it in memory. It is not safe for concurrent use.
type messageStore struct {
	state  State // nil: in memory
	unread bool  // the state was not read yet
	last   sentMessages
	log    *slog.Logger
}

// sent is what messages showed last. The state is read when that is first asked for.
func (m *messageStore) sent() *sentMessages {
	if !m.unread {
		return &m.last
	}

	m.unread = false
	var kept sentMessages
	if err := readState(m.state, StateSent, &kept); err != nil {
		m.log.Warn("cannot read the results of the last messages; they are sent again",
			"error", err)
	} else if kept.Digest == m.last.Digest {
		m.last = kept
	}

	return &m.last
}

// save keeps what messages showed. Without it they are sent more often, and no more than
// verify.messages_per_day.
func (m *messageStore) save() {
	if m.state == nil {
		return
	}
	if err := writeState(m.state, StateSent, m.sent()); err != nil {
		m.log.Warn("cannot save the results of the messages", "error", err)
	}
}

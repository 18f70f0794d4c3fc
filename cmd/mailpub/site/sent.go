package site

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
)

// messageEvery is how often a message is sent whose copy stays in a mailbox.
const messageEvery = 24 * time.Hour

// sentMessages is what the messages that checks sent last have shown. It is kept beside the ledger, so that a
// timer that starts watch again and again sends them once a day as well.
type sentMessages struct {
	Digest string       `json:"digest"` // of the config that they were sent with
	At     time.Time    `json:"at,omitzero"`
	Public []netip.Addr `json:"public"` // that the site had then
	Checks []sentCheck  `json:"checks"`
}

// sentCheck is a check with what its JSON leaves out, or has in words.
type sentCheck struct {
	plan.Check
	Subject subjectFields `json:"subject"`
	Advice  bool          `json:"advice,omitempty"`
	Reason  plan.Reason   `json:"reason,omitempty"`
}

// subjectFields is a subject whose JSON has its fields, so that it can be compared when it was read.
type subjectFields plan.Subject

// due reports whether messages are sent again: none was sent yet or since a repair, the last ones are a day old or
// from the future, one failed, or the site has another public address, of which they prove nothing.
func (m sentMessages) due(public []netip.Addr, now time.Time) bool {
	failing := slices.ContainsFunc(m.Checks, func(c sentCheck) bool { return c.Status == plan.Fail })
	age := now.Sub(m.At)
	return m.At.IsZero() || failing || age < 0 || age >= messageEvery || !slices.Equal(m.Public, public)
}

// checks are the findings.
func (m sentMessages) checks() (checks []plan.Check) {
	for _, c := range m.Checks {
		check := c.Check
		check.Subject = plan.Subject(c.Subject)
		check.Advice = c.Advice
		check.Reason = c.Reason
		checks = append(checks, check)
	}
	return checks
}

func (m *sentMessages) add(c plan.Check) {
	m.Checks = append(m.Checks, sentCheck{Check: c, Subject: subjectFields(c.Subject), Advice: c.Advice, Reason: c.Reason})
}

// KeepMessages has the monitor keep what messages showed, and begin with what an earlier process kept for the
// same config. With Options.MessagesNow it begins without.
func (m *Monitor) KeepMessages(digest string) {
	m.file = filepath.Join(StateDir(m.cfg), m.cfg.Site+".sent.json")
	m.messages.Digest = digest
	if m.options.MessagesNow {
		return
	}
	data, err := durable.Read(m.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var kept sentMessages
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil {
		m.options.logger().Warn("cannot read the results of the last messages; they are sent again", "file", m.file, "error", err)
		return
	}
	if kept.Digest == digest {
		m.messages = kept
	}
}

// save keeps what messages showed, where that is wanted. Without it they are sent more often, and no more than
// verify.messages_per_day.
func (m *Monitor) save() {
	if m.file == "" {
		return
	}
	data, err := json.Marshal(m.messages)
	if err == nil {
		err = durable.MakePrivate(filepath.Dir(m.file))
	}
	if err == nil {
		err = durable.Replace(m.file, append(data, '\n'))
	}
	if err != nil {
		m.options.logger().Warn("cannot save the results of the messages", "file", m.file, "error", err)
	}
}

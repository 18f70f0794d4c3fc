package receiver

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// story is what happened to messages in the lives of a receiver.
type story struct {
	dice *rand.Rand
	disk *powerDisk

	mu       sync.Mutex
	accepted map[string]string // text by mailbox and name
	refused  map[string]bool   // the name
	sent     map[string]string // text by name
	gone     map[string]bool   // thrown away by who read it
	count    int
}

// send stores messages until all are, or the receiver is dead.
func (s *story) send(m *maildir, senders, each int) {
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for range each {
				s.mu.Lock()
				s.count++
				name := fmt.Sprintf("1795538849.M000000P1Q%dRABCDEFGHIJ.h", s.count)
				text := fmt.Sprintf("Subject: %d\r\n\r\n%s\r\nend\r\n", s.count,
					strings.Repeat("x", s.count*s.count*7%3001))

				boxes := [][]string{{"mario"}, {"anna"}, {"mario", "anna"}}[s.count%3]
				s.sent[name] = text
				s.mu.Unlock()
				_, _, err := m.store(boxes, name, []byte(text[:9]), strings.NewReader(text[9:]))
				s.mu.Lock()

				for _, box := range boxes {
					if err == nil {
						s.accepted[box+"/"+name] = text
					} else {
						s.refused[box+"/"+name] = true
					}
				}

				s.mu.Unlock()
			}
		})
	}

	wg.Wait()
}

// check compares the mailboxes with what was answered.
func (s *story) check(t *testing.T, alive bool) {
	texts, times := s.disk.messages("/mail")
	for _, key := range slices.Sorted(maps.Keys(s.accepted)) {
		if texts[key] != s.accepted[key] {
			t.Errorf("%s was accepted, and is %d times there, with %d of %d octets", key,
				times[key], len(texts[key]), len(s.accepted[key]))
		}
	}

	for key, text := range texts {
		_, name, _ := strings.Cut(key, "/")
		if times[key] != 1 || text != s.sent[name] {
			t.Errorf("%s is %d times there, with %d of %d octets", key, times[key], len(text),
				len(s.sent[name]))
		}

		if s.gone[key] {
			t.Errorf("%s was thrown away, and is there again", key)
		}

		if alive && s.refused[key] {
			t.Errorf("%s is there, and its sender was told to come back", key)
		}
	}
}

// TestNothingLost kills the receiver and cuts the power at any step, again and again, with faults
// of the disk between. What was accepted is there each time, whole and once; nothing else is there in
// part, and what was thrown away does not come back.
func TestNothingLost(t *testing.T) {
	for seed := range uint64(600) {
		dice := rand.New(rand.NewPCG(seed, 1))
		d := newPowerDisk(rand.New(rand.NewPCG(seed, 2)))
		s := &story{
			dice:     dice,
			disk:     d,
			accepted: map[string]string{},
			refused:  map[string]bool{},
			sent:     map[string]string{},
			gone:     map[string]bool{},
		}

		for life := range 1 + dice.IntN(5) {
			how := s.live(t)
			m := &maildir{
				disk:     d,
				root:     "/mail",
				failed:   func(err error) { t.Error(err) },
				restored: func(string, string) {},
			}

			if err := m.open(); err != nil {
				t.Fatal(err)
			}

			m.close()
			s.check(t, false)
			for p := range d.names {
				if strings.Contains(p, "/tmp/") || strings.HasSuffix(p, ".log") {
					t.Errorf("%s is left", p)
				}
			}

			if s.read(); t.Failed() {
				t.Fatalf("so it was with seed %d, life %d, %s", seed, life, how)
			}
		}
	}
}

// live is one life of the receiver, up to how it ended.
func (s *story) live(t *testing.T) (how string) {
	pick := func(from ...int) int { return from[s.dice.IntN(len(from))] }
	d := s.disk
	d.left = pick(0, 0, 1, 2, 3, 5, 8, 13, 21, 40, 60, 80, 120, 200)
	d.odds = float64(pick(0, 0, 2, 20)) / 100
	how = fmt.Sprintf("dead after %d steps, %v of them fail", d.left, d.odds)
	m := &maildir{
		disk:     d,
		root:     "/mail",
		segment:  8 << 10,
		after:    time.Millisecond,
		failed:   func(error) {},
		restored: func(string, string) {},
	}

	if m.crashed() {
		m.open()
	}

	s.send(m, 1+s.dice.IntN(6), 1+s.dice.IntN(6))
	power := s.dice.IntN(2) == 0
	atOnce := s.dice.IntN(2) == 0
	d.mu.Lock()
	died := d.dead
	d.odds = 0

	if !died {
		d.left = 0
	}

	d.mu.Unlock()
	if !died && m.log != nil && s.dice.IntN(2) == 0 {
		m.log.checkpoint(true)
		s.read() // what is thrown away now must not come back out of the log
	}

	d.mu.Lock()
	d.dead = d.dead || atOnce // the log does not get to its last checkpoint
	d.mu.Unlock()
	m.close() // nothing more is done where it died

	if !died && !t.Failed() {
		s.check(t, true)
	}

	clear(s.refused)
	if power {
		d.powerLost()
		return how + ", then the power was lost"
	}

	d.killed()
	return how
}

// read has people read some of their mail, and throw some away.
func (s *story) read() {
	d := s.disk
	for _, key := range slices.Sorted(maps.Keys(s.accepted)) {
		box, name, _ := strings.Cut(key, "/")
		path := "/mail/" + box + "/new/" + name
		if !d.exists(path) {
			continue
		}

		switch s.dice.IntN(4) {
		case 0:
			d.rename(path, "/mail/"+box+"/cur/"+name+":2,S")
		case 1:
			if d.remove(path) == nil {
				delete(s.accepted, key)
				s.gone[key] = true
			}
		}

		d.syncAll("/")
	}
}

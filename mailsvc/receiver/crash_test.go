package receiver

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestKilled kills the receiver again and again, at random moments, while twenty clients send, and
// starts it anew on the same mailboxes. What it said 250 to is there, whole and once. MAILPUB_SOAK is how
// often, by default a few times.
func TestKilled(t *testing.T) {
	const clients = 20
	rounds := 5
	if s := os.Getenv("MAILPUB_SOAK"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatalf("MAILPUB_SOAK: %v", err)
		}
	}

	dir := t.TempDir()
	total, unanswered := 0, 0
	for round := range rounds {
		c := startChild(t, dir)
		var wg sync.WaitGroup
		var progress atomic.Int64
		accepted := make([][]string, clients)

		for i := range accepted {
			wg.Go(func() {
				accepted[i] = sendUntilCut(t, c.addr, fmt.Sprintf("%d-%d", round, i), &progress)
			})
		}

		for want := 1 + rand.Int64N(300); progress.Load() < want && !t.Failed(); { // a slow machine takes its time
			time.Sleep(time.Duration(rand.Int64N(int64(time.Millisecond))))
		}

		c.kill(t)
		wg.Wait()
		startChild(t, dir).stop()

		stored := takeStored(t, filepath.Join(dir, "mail"))
		for _, list := range accepted {
			for _, subject := range list {
				total++
				if stored[subject] != 1 {
					t.Errorf("round %d: message %s was accepted, and is there %d times", round,
						subject, stored[subject])
				}
				delete(stored, subject)
			}
		}

		for subject, n := range stored {
			if unanswered++; n != 1 {
				t.Errorf("round %d: message %s is there %d times", round, subject, n)
			}
		}

		if t.Failed() {
			return
		}
	}

	t.Logf("killed %d times: of %d messages that were accepted none is lost, in part or twice; %d more are there whose senders had no answer",
		rounds, total, unanswered)
}

// takeStored returns how often each message is in a Maildir, by its subject, and takes them out.
func takeStored(t *testing.T, maildir string) map[string]int {
	t.Helper()
	stored := map[string]int{}
	for _, sub := range []string{"new", "tmp"} {
		files, err := filepath.Glob(filepath.Join(maildir, "mario", sub, "*"))
		if err != nil {
			t.Fatal(err)
		}

		for _, name := range files {
			data, err := os.ReadFile(name)
			if err == nil {
				err = os.Remove(name)
			}

			if err != nil {
				t.Fatal(err)
			}

			if sub == "tmp" && !(osDisk{}).groups() { // nobody reads it there, and nobody knows that it is nobody's
				continue
			}

			_, body, _ := strings.Cut(string(data), "Subject: ")
			subject, _, _ := strings.Cut(body, "\r\n")
			if "Subject: "+body != numbered(subject) || sub == "tmp" {
				t.Errorf("%s is no whole message: %.200q", name, data)
			}

			stored[subject]++
		}
	}

	return stored
}

// numbered is a message that can be told whole by its subject.
func numbered(subject string) string {
	return "Subject: " + subject + "\r\n\r\n" + strings.Repeat(subject+"\r\n", 300) +
		"the end\r\n"
}

// sendUntilCut sends messages on one connection until it breaks, and returns the
// subjects of those that were accepted, which it counts.
func sendUntilCut(t *testing.T, addr, client string, progress *atomic.Int64) (accepted []string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}

	defer conn.Close()

	conn.SetDeadline(time.Now().Add(time.Minute)) // not every system ends the connections of a process that is killed
	in := bufio.NewReader(conn)
	say := func(text string) bool {
		if _, err := conn.Write([]byte(text)); err != nil {
			return false
		}

		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return false
			}

			if line[0] > '3' {
				t.Errorf("%.40q: %s", text, line)
				return false
			}

			if line[3] == ' ' {
				return true
			}
		}
	}

	if !say("") || !say("EHLO client.example\r\n") {
		return nil
	}

	for n := 0; ; n++ {
		subject := fmt.Sprintf("%s-%d", client, n)
		if !say("MAIL FROM:<>\r\n") || !say("RCPT TO:<postmaster>\r\n") || !say("DATA\r\n") ||
			!say(numbered(subject)+".\r\n") {
			return accepted
		}
		accepted = append(accepted, subject)
		progress.Add(1)
	}
}

package receiver

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const childEnv = "MAILPUB_RECEIVER_CHILD"

// TestKilled kills the receiver while ten clients send. What it said 250 to is there, as
// a whole; and nothing in new is less than a whole message.
func TestKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		dir := t.TempDir()
		cmd := exec.Command(self, "-test.run=^TestKilledChild$")
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		addr, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatalf("the receiver said %q, %v", addr, err)
		}
		var wg sync.WaitGroup
		accepted := make([][]string, 10)
		for i := range accepted {
			wg.Go(func() { accepted[i] = sendUntilCut(t, strings.TrimSpace(addr), i) })
		}
		time.Sleep(time.Duration(50+37*round) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		cmd.Wait()

		stored := map[string]bool{}
		files, err := filepath.Glob(filepath.Join(dir, "mail", "mario", "new", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, body, _ := strings.Cut(string(data), "Subject: ")
			subject, _, _ := strings.Cut(body, "\r\n")
			if "Subject: "+body != numbered(subject) {
				t.Errorf("%s is no whole message: %.200q", name, data)
			}
			stored[subject] = true
		}
		n := 0
		for _, list := range accepted {
			for _, subject := range list {
				n++
				if !stored[subject] {
					t.Errorf("message %s was accepted and is not there", subject)
				}
			}
		}
		t.Logf("round %d: %d accepted, %d there", round, n, len(stored))
		if n == 0 {
			t.Error("nothing was accepted before the receiver was killed")
		}
	}
}

func TestKilledChild(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("the process that TestKilled starts")
	}
	s := &Server{SettingsPath: filepath.Join(dir, "settings.json"), Maildir: filepath.Join(dir, "mail")}
	write(t, s.SettingsPath, site)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(l.Addr())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // should nobody kill it
	defer cancel()
	if err := s.Serve(ctx, l); err != nil {
		t.Error(err)
	}
}

// numbered is a message that can be told whole by its subject.
func numbered(subject string) string {
	return "Subject: " + subject + "\r\n\r\n" + strings.Repeat(subject+"\r\n", 300) + "the end\r\n"
}

// sendUntilCut sends messages on one connection until it breaks, and returns the
// subjects of those that were accepted.
func sendUntilCut(t *testing.T, addr string, client int) (accepted []string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close()
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
		subject := fmt.Sprintf("%d-%d", client, n)
		if !say("MAIL FROM:<>\r\n") || !say("RCPT TO:<postmaster>\r\n") || !say("DATA\r\n") || !say(numbered(subject)+".\r\n") {
			return accepted
		}
		accepted = append(accepted, subject)
	}
}

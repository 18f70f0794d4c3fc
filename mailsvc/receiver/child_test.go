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

// child is a receiver in a process of its own, which can be killed and measured.
type child struct {
	addr string
	cmd  *exec.Cmd
	stop func() // in an orderly way; once
}

// startChild serves site out of a directory until the test ends.
func startChild(t testing.TB, dir string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(self, "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir, "GORACE=atexit_sleep_ms=0")
	in, err := cmd.StdinPipe() // its end ends the child
	if err != nil {
		t.Fatal(err)
	}

	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}

	if err != nil {
		t.Fatal(err)
	}

	stop := sync.OnceFunc(func() {
		in.Close()
		cmd.Wait()
	})

	t.Cleanup(stop)
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the receiver said %q, %v", addr, err)
	}

	return &child{strings.TrimSpace(addr), cmd, stop}
}

// kill ends the child as kill -9 does.
func (c *child) kill(t testing.TB) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.stop()
}

func TestChild(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("the process that startChild starts")
	}

	s := &Server{
		SettingsPath:   filepath.Join(dir, "settings.json"),
		Maildir:        filepath.Join(dir, "mail"),
		MaxConnections: 2000,
	}

	write(t, s.SettingsPath, site)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	fmt.Println(l.Addr())
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()

	go func() {
		os.Stdin.Read(make([]byte, 1))
		cancel()
	}()

	if err := s.Serve(ctx, l); err != nil {
		t.Error(err)
	}

	os.Exit(0) // without waiting for what reads stdin
}

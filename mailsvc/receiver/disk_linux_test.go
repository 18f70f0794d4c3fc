package receiver

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk fills a real, small file system.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("no file system to fill: %v", err)
		}
		t.Skipf("a disk that is really full is left out: mounting a small one needs root: %v",
			err)
	}

	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})

	r := start(t, site, func(s *Server) { s.Maildir = filepath.Join(dir, "mail") })
	c := r.dial(t)
	c.message()
	c.send("Subject: large\r\n\r\n" + strings.Repeat("0123456\r\n", 20000) + ".\r\n")
	c.expect("452 4.3.1")

	if got := r.stored(t); len(got) != 0 {
		t.Errorf("stored %q", got)
	}

	c.message()
	c.send("Subject: small\r\n\r\n.\r\n")
	c.expect("250")
	c.say("QUIT", "221")
	if err := r.stop(); err != nil {
		t.Error(err)
	}

	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}

	r = start(t, site, func(s *Server) { s.Maildir = filepath.Join(dir, "mail") })
	c = r.dial(t)
	c.message()
	c.send("Subject: small\r\n\r\n.\r\n")
	c.expect("452 4.3.1")
	c.say("QUIT", "221")

	if got := r.stored(t); len(got) != 1 || !strings.HasPrefix(got[0], "mario/new/") {
		t.Errorf("stored %q", got)
	}

	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

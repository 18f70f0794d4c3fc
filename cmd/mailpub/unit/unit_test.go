package unit

import (
	"strings"
	"testing"
)

func TestReceive(t *testing.T) {
	f, err := Receive(Options{Name: "mailpub", Program: "/usr/bin/mailpub", Configs: []string{"/etc/mailpub/mailpub.yaml"}, User: "mailpub"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ExecStart=/usr/bin/mailpub -c /etc/mailpub/mailpub.yaml receive\n", "ConditionPathExists=/etc/mailpub/mailpub.yaml\n",
		"\nUser=mailpub\n", "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n", "CAP_CHOWN CAP_NET_BIND_SERVICE\n"} {
		if !strings.Contains(f.Text, want) {
			t.Errorf("no %q in:\n%s", want, f.Text)
		}
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"/etc/mailpub.yaml": "/etc/mailpub.yaml", "/a b": `"/a b"`, "100%": "100%%", "$HOME": "$$HOME", `a"b`: `"a\"b"`, `a\b`: `"a\\b"`,
	} {
		if got := quote(word); got != want {
			t.Errorf("%q becomes %q, want %q", word, got, want)
		}
	}
}

func TestWatch(t *testing.T) {
	f, err := Watch(Options{Name: "mailpub", Program: "/usr/bin/mailpub", Configs: []string{"/etc/mailpub/a.yaml", "/etc/mailpub/b.yaml"}, Writable: []string{"/var/lib/mailpub"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ExecStart=/usr/bin/mailpub watch --log journald /etc/mailpub/a.yaml /etc/mailpub/b.yaml\n", "Type=notify", "WatchdogSec=", "ReadWritePaths=-/var/lib/mailpub\n", "ProtectHome=yes"} {
		if !strings.Contains(f.Text, want) {
			t.Errorf("no %q in:\n%s", want, f.Text)
		}
	}
	if strings.Contains(f.Text, "NET_ADMIN") || strings.Contains(f.Text, "User=") {
		t.Errorf("more than asked for:\n%s", f.Text)
	}
}

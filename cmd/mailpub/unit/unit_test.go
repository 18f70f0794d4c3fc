package unit

import (
	"strings"
	"testing"
)

func TestReceive(t *testing.T) {
	f, err := Receive(Options{
		Name:    "mailpub",
		Program: "/usr/bin/mailpub",
		Configs: []string{"/etc/mailpub/mailpub.yaml"},
		User:    "mailpub",
	})

	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{"ExecStart=/usr/bin/mailpub -c /etc/mailpub/mailpub.yaml receive\n",
		"ConditionPathExists=/etc/mailpub/mailpub.yaml\n",
		"\nUser=mailpub\n", "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n",
		"CAP_CHOWN CAP_NET_BIND_SERVICE\n"} {
		if !strings.Contains(f.Text, want) {
			t.Errorf("no %q in:\n%s", want, f.Text)
		}
	}
}

// The receiver of a package has a dedicated account, sees its own part of the state, and gets no secrets but its own.
func TestPackaged(t *testing.T) {
	files, err := Packaged()
	if err != nil {
		t.Fatal(err)
	}

	users := map[string]string{}
	for _, f := range files {
		_, rest, _ := strings.Cut(f.Text, "\nUser=")
		users[f.Name], _, _ = strings.Cut(rest, "\n")
		secrets := strings.Contains(f.Text, "=mailpub:/etc/mailpub/credentials\n") ||
			strings.Contains(f.Text, "=-/etc/mailpub/environment\n")

		if receives := f.Name == "mailpub-receive.service"; strings.HasSuffix(f.Name,
			".service") && secrets == receives {
			t.Errorf("%s has the providers' secrets: %t", f.Name, secrets)
		}
	}

	if users["mailpub-receive.service"] != "mailpub-receive" ||
		users["mailpub.service"] != "mailpub" || users["mailpub-drift.service"] != "mailpub" {
		t.Errorf("users are %q", users)
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"/etc/mailpub.yaml": "/etc/mailpub.yaml", "/a b": `"/a b"`, "100%": "100%%",
		"$HOME": "$$HOME", `a"b`: `"a\"b"`, `a\b`: `"a\\b"`,
	} {
		if got := quote(word); got != want {
			t.Errorf("%q becomes %q, want %q", word, got, want)
		}
	}
}

func TestWatch(t *testing.T) {
	f, err := Watch(Options{
		Name:     "mailpub",
		Program:  "/usr/bin/mailpub",
		Configs:  []string{"/etc/mailpub/a.yaml", "/etc/mailpub/b.yaml"},
		Writable: []string{"/var/lib/mailpub"},
	})

	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{"ExecStart=/usr/bin/mailpub watch --log journald /etc/mailpub/a.yaml /etc/mailpub/b.yaml\n",
		"Type=notify", "WatchdogSec=", "ReadWritePaths=-/var/lib/mailpub\n",
		"ProtectHome=yes"} {
		if !strings.Contains(f.Text, want) {
			t.Errorf("no %q in:\n%s", want, f.Text)
		}
	}

	if strings.Contains(f.Text, "NET_ADMIN") || strings.Contains(f.Text, "User=") {
		t.Errorf("more than asked for:\n%s", f.Text)
	}
}

package term

import "testing"

// A file name with spaces in it can be copied from what mailpub says into the shell.
func TestShellWord(t *testing.T) {
	for _, c := range []struct{ word, unix, windows string }{
		{"sites/office.yaml", "sites/office.yaml", "sites/office.yaml"},
		{`C:\Mail\office.yaml`, `'C:\Mail\office.yaml'`, `C:\Mail\office.yaml`},
		{"C:/Program Files/mail pub.yaml", "'C:/Program Files/mail pub.yaml'", `"C:/Program Files/mail pub.yaml"`},
		{"città.yaml", "città.yaml", "città.yaml"},
		{"it's $HOME.yaml", `'it'\''s $HOME.yaml'`, `"it's $HOME.yaml"`},
		{"", "''", `""`},
	} {
		if unix, windows := ShellWord(c.word, "linux"), ShellWord(c.word,
			"windows"); unix != c.unix || windows != c.windows {
			t.Errorf("%s is %s and %s, want %s and %s", c.word, unix, windows, c.unix,
				c.windows)
		}
	}
}

package mdaemon

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/durable"
)

// Files whose lines can't be told apart are refused, whole: nothing of them gets lost.
func TestOddFiles(t *testing.T) {
	for name, text := range map[string]string{"mixed": "a@a.it = b@a.it\nc@a.it = d@a.it\r\ne@a.it = f@a.it\r\n",
		"UTF-16": "\xff\xfea\x00=\x00b\x00\r\x00\n\x00"} {
		if _, err := parseAliases([]byte(text)); err == nil ||
			!strings.Contains(err.Error(), "nothing is written") {
			t.Errorf("%s: %v", name, err)
		}

		if _, known := parseShield([]byte(text)); known {
			t.Errorf("%s: a shield", name)
		}

		dir := t.TempDir()
		for _, file := range []string{trustedFile, mainFile} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte("[Domain]\r\n"+text),
				0o600); err != nil {
				t.Fatal(err)
			}
		}

		e := &edit{app: &App{Dir: dir}}
		if err := e.setTrusted("127.0.0.1", true); err == nil {
			t.Errorf("%s: trusted", name)
		}

		if err := e.setPlace(iniKey{mainFile, "Domain", "x"}, []string{"1"}); err == nil {
			t.Errorf("%s: a setting", name)
		}
	}
}

// A line behind one with a wildcard is never asked, and is there again after destroy.
func TestAliasBehindWildcard(t *testing.T) {
	const file = "*@a.it = mario@a.it\r\nabuse@a.it = root@a.it\r\n"
	a, err := parseAliases([]byte(file))
	if err != nil {
		t.Fatal(err)
	}

	for _, actual := range []string{"root@a.it", "other@a.it"} {
		a.set("abuse@a.it", actual)
		if got, _ := a.resolve("abuse@a.it"); got != actual {
			t.Errorf("leads to %s", got)
		}

		a.set("abuse@a.it", "mario@a.it")
		if got := string(a.bytes()); got != file {
			t.Errorf("back: %q", got)
		}
	}
}

// A copy is found in a folder whose name has brackets.
func TestCopyInBrackets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "MDaemon [old]")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}

	app := &App{Dir: dir}
	path := filepath.Join(dir, aliasFile)
	for range 2 {
		if err := app.keepCopy(path, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}

	if durable.CopyOf(path) == "" {
		t.Error("no copy")
	}
}

// An answer in another code page is one, whether it says so or not.
func TestOddAnswers(t *testing.T) {
	for encoding, want := range map[string]string{"windows-1252": "Domäne", "utf-8": "Dom?ne"} {
		body := `<?xml version="1.0" encoding="` + encoding +
			`"?><MDaemon><API><Response><Status id="3" message="` + "Dom\xe4ne" +
			`"/></Response></API></MDaemon>`

		a, err := (&Client{}).parseAnswer(&http.Response{StatusCode: http.StatusOK},
			[]byte(body))

		if err != nil || a.Status.ID != "3" || a.Status.Message != want {
			t.Errorf("%s: %+v, %v", encoding, a, err)
		}
	}
}

// A large file of data does not stand in the way of learning.
func TestLargeFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, mainFile), []byte("[Domain]\r\nx=1\r\n"),
		0o600); err != nil {
		t.Fatal(err)
	}

	large := filepath.Join(dir, "Large.dat")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}

	all, err := (&App{Dir: dir}).settings()
	if err != nil || all[iniKey{mainFile, "Domain", "x"}] != "1" {
		t.Error(all, err)
	}
}

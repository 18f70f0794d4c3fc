package dialect

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc/mdaemon"
)

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), NameFor("26.0.1"))
	if filepath.Base(path) != "mdaemon-26.yaml" {
		t.Error(path)
	}

	d := &mdaemon.Dialect{Version: "26.0.1", Settings: map[string]mdaemon.Placement{
		"relaying": {File: "MDaemon.ini", Section: "Special", Key: "X", On: "Yes", Off: "No"},
		"hostname": {File: "MDaemon.ini", Section: "Special", Key: "FQDN"},
	}}

	if err := Save(path, d); err != nil {
		t.Fatal(err)
	}

	got, err := Load(path)
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("%+v %v", got, err)
	}
}

// Each mistake names the file, the line, the field and what is wanted.
func TestMistakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.yaml")
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "d.yaml is empty"},
		{"no version", "settings: {}\n", "version: is missing"},
		{"unknown setting", "version: 26\nsettings:\n  relayin: {file: a.ini, key: b, on: c}\n", "d.yaml:3: settings.relayin: is no setting, want one of relaying"},
		{"a path", "version: 26\nsettings:\n  relaying: {file: '..\\a.ini', key: b, on: c}\n", "d.yaml:3: settings.relaying: file is"},
		{"another kind of file", "version: 26\nsettings:\n  relaying: {file: a.exe, key: b, on: c}\n", "want the name of an .ini or .dat file"},
		{"passwords", "version: 26\nsettings:\n  relaying: {file: UserList.dat, key: b, on: c}\n", "which mailpub never writes"},
		{"no key", "version: 26\nsettings:\n  relaying: {file: a.ini, on: c}\n", "key is missing"},
		{"no value", "version: 26\nsettings:\n  relaying: {file: a.ini, key: c}\n", "on is missing"},
		{"a box without two states", "version: 26\nsettings:\n  relaying: {file: a.ini, key: c, on: x, off: x}\n", "on and off are the same"},
		{"a key that is none", "version: 26\nsettings:\n  relaying: {file: a.ini, key: c=, on: x}\n", "a key no ="},
		{"unknown field", "version: 26\nsetting: {}\n", "line 2"},
		{"no YAML", "version: [\n", "line"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), "d.yaml") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}

	if _, err := Load(path + ".none"); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}

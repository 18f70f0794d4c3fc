package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Files come into one form, their values stay, and a second time changes nothing.
func TestFormat(t *testing.T) {
	for _, test := range []struct{ name, file, before, after, err string }{
		{"indentation", "a.yaml", "server:\n    hostname: a\n    public:\n        ipv4: auto\nzones:\n- name: x\n  settings:\n     server: y\n     key: z\n-   name: b\n",
			"server:\n  hostname: a\n  public:\n    ipv4: auto\nzones:\n  - name: x\n    settings:\n      server: y\n      key: z\n  - name: b\n", ""},
		{"wide elements", "a.yaml", "zones:\n-   name: x\n    provider: y\n", "zones:\n  - name: x\n    provider: y\n", ""},
		{"comments", "a.yaml", "# top\n\n\n\nserver: # of mail\n      # the name\n      hostname: a   # behind\n  # before zones\nzones: [] \n# end\n",
			"# top\n\nserver: # of mail\n  # the name\n  hostname: a   # behind\n# before zones\nzones: []\n# end\n", ""},
		{"lists in brackets", "a.yaml", "server:\n    caa: [\n        a,\n        b\n    ]\n    hostname: x\n", "server:\n  caa: [\n      a,\n      b\n  ]\n  hostname: x\n", ""},
		{"text over lines", "a.yaml", "server:\n    hostname: |\n        one  \n\n\n          two\n    address: b\n", "server:\n  hostname: |\n      one  \n\n\n        two\n  address: b\n", ""},
		{"quotes over lines", "a.yaml", "server:\n    hostname: \"one\n        two\"\n", "server:\n  hostname: \"one\n      two\"\n", ""},
		{"Windows", "a.yaml", "\xef\xbb\xbfsite: x\r\nserver:\r\n    hostname: a\r\n", "site: x\nserver:\n  hostname: a\n", ""},
		{"no end of line", "a.yaml", "site: x", "site: x\n", ""},
		{"JSON", "a.json", `{"site":"x","zones":[{"name":"a"}]}`, "{\n  \"site\": \"x\",\n  \"zones\": [\n    {\n      \"name\": \"a\"\n    }\n  ]\n}\n", ""},
		{"TOML", "a.toml", "site = \"x\"   \r\n\r\n\r\n[server]\r\nhostname = \"a\"\r\n\r\n", "site = \"x\"\n\n[server]\nhostname = \"a\"\n", ""},
		{"a list within a list", "a.yaml", "zones:\n  - - a\n    - b\n", "", "a list within a list"},
		{"broken", "a.yaml", "site: x\n\ta: b\n", "", "a.yaml:2: the line is indented with a tab"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Format(test.file, []byte(test.before))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}

			if err != nil {
				t.Fatal(err)
			}

			if string(got) != test.after {
				t.Errorf("got\n%s\nwant\n%s", got, test.after)
			}

			again, err := Format(test.file, got)
			if err != nil || string(again) != string(got) {
				t.Errorf("again: %v\n%s", err, again)
			}
		})
	}
}

// The examples are in the usual form.
func TestFormatExamples(t *testing.T) {
	files, err := filepath.Glob("../../../examples/*/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v %v", files, err)
	}

	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		got, err := Format(file, data)
		if err != nil {
			t.Error(err)
			continue
		}

		if string(got) != string(data) {
			t.Errorf("%s is not in the usual form:\n%s", file, got)
		}
	}
}

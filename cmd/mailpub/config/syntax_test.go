package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// A file that cannot be parsed is told with the line that is wrong, not the one where its section begins or the
// file ends, and the line itself.
func TestSyntax(t *testing.T) {
	for _, test := range []struct {
		name, file, text, want string
		column                 int
	}{
		{"a line too far in", "a.yaml", "site: x\nserver:\n  hostname: a\n  address: b\n   public: c\n# foo\ndomains: []\n", "a.yaml:5: the line does not fit the one before it", 4},
		{"a line too far out", "a.yaml", "site: x\nserver:\n  a: 1\n# foo\n\n b: 2\n", "a.yaml:6: the line does not fit the indentation", 2},
		{"an element too far out", "a.yaml", "zones:\n   - name: a\n  - name: b\n", "a.yaml:3: the line does not fit", 3},
		{"a tab", "a.yaml", "site: x\nserver:\n\thostname: a\n", "a.yaml:3: the line is indented with a tab, want spaces", 1},
		{"a tab after spaces", "a.yaml", "site: x\nserver:\n  \thostname: a\n  address: b\n", "a.yaml:3: the line is indented with a tab", 3},
		{"an open quote", "a.yaml", "site: x\nserver: \"abc\n  address: b\nmore: 1\n", "a.yaml:2: a quote is not closed", 1},
		{"an open bracket", "a.yaml", "site: x\nzones: [a, b\nserver: y\n", "a.yaml:2: a bracket is not closed", 1},
		{"no colon", "a.yaml", "site: x\nserver\n  address: b\n", "a.yaml:2: a key without a colon", 1},
		{"a colon too many", "a.yaml", "site: x\nwhy: a: b\n", "a.yaml:2: the line does not fit the one before it: indent it like its neighbours, or quote", 1},
		{"a character with a meaning", "a.yaml", "site: x\nkey: @foo\n", "a.yaml:2: a value begins with a character", 1},
		{"a list", "a.yaml", "- site: x\n", "a.yaml:1: a list, want fields", 1},
		{"a text", "a.yaml", "site\n", "a.yaml:1: want fields", 1},
		{"two documents", "a.yaml", "site: x\n---\nsite: y\n", "a.yaml:2: a second document begins", 1},
		{"JSON", "a.json", "{\n  \"site\": \"x\",\n  \"state\" \"y\"\n}\n", "a.json:3: invalid character '\"' after object key", 11},
		{"TOML, an open string", "a.toml", "site = \"x\nstate = 1\n", "a.toml:1: basic strings cannot have new lines", 10},
		{"TOML, a table twice", "a.toml", "[server]\na = 1\n\n[server]\nb = 2\n", "a.toml:4: table server already exists", 1},
		{"TOML, a key twice", "a.toml", "a = 1\nb = [\n 1,\n]\na = 2\n", "a.toml:5: key a is already defined", 1},
		{"line ends of Windows", "a.yaml", "site: x\r\nserver:\r\n\thostname: a\r\n", "a.yaml:3: the line is indented with a tab", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.file, []byte(test.text))
			var mistakes Errors
			if !errors.As(err, &mistakes) || len(mistakes) != 1 {
				t.Fatalf("error %v", err)
			}

			p := mistakes[0]
			if !strings.HasPrefix(p.Error(), test.want) {
				t.Errorf("got %q, want %q", p.Error(), test.want)
			}

			line := strings.TrimRight(strings.Split(test.text, "\n")[p.Line-1], "\r")
			if p.Source != line || p.Column != test.column {
				t.Errorf("line %q, column %d; want %q, %d", p.Source, p.Column, line,
					test.column)
			}

			want := fmt.Sprintf("%5d | %s\n      | %s^", p.Line,
				strings.ReplaceAll(line, "\t", " "), strings.Repeat(" ", test.column-1))

			if p.Excerpt() != want {
				t.Errorf("excerpt\n%s\nwant\n%s", p.Excerpt(), want)
			}
		})
	}

	if (Problem{File: "a.yaml", Line: 1, Text: "x"}).Excerpt() != "" {
		t.Error("an excerpt of no source")
	}
}

package catalog

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/checks.md")

const doc = "../../docs/checks.md"

func TestEntries(t *testing.T) {
	id := regexp.MustCompile(`^[a-z]+\.[a-z0-9]+$`)
	seen := map[string]bool{}
	for _, e := range All() {
		if !id.MatchString(e.ID) || seen[e.ID] || Area(e.ID) != e.Area {
			t.Errorf("%q of area %q: ids are one word, a dot and one word, each once", e.ID,
				e.Area)
		}

		seen[e.ID] = true
		for _, text := range []string{e.Looks, e.Why, e.Mend} {
			if len(text) < 15 || !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q is no sentence", e.ID, text)
			}
		}
	}

	if _, found := Lookup("mx.nobody"); found || Area("mx.nobody") != "" {
		t.Error("there is no mx.nobody")
	}
}

// The page is what the table says. `go test ./plan/catalog -update` writes it.
func TestDoc(t *testing.T) {
	want := page()
	if *update {
		if err := os.WriteFile(doc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	got, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}

	if string(got) != want {
		t.Errorf("%s is not what the table says: go test ./plan/catalog -update", doc)
	}
}

func page() string {
	var b strings.Builder
	b.WriteString("# The checks of `mailpub verify`\n\n" +
		"`mailpub verify --explain ID` prints these lines, `mailpub verify --only ID` runs one of\n" +
		"them. What can't be known from where mailpub stands is `skip`, with the reason; an id that\n" +
		"the config does not call for is left out. Made from the table in plan/catalog.\n")

	titles := map[string]string{"dns": "DNS", "router": "Router", "mail": "Mail server"}
	area := ""
	for _, e := range All() {
		if e.Area != area {
			area = e.Area
			fmt.Fprintf(&b, "\n## %s (`--only %s`)\n", titles[area], area)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n*Why.* %s\n\n*Remedy.* %s\n", e.ID, e.Looks, e.Why,
			e.Mend)
	}

	return b.String()
}

// Every id is written as its constant, so that one that is misspelt does not compile.
func TestIDsAreConstants(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") ||
			strings.HasSuffix(path, "_test.go") {
			return err
		}
		if slash := filepath.ToSlash(path); slash == "../../plan/catalog/ids.go" ||
			strings.Contains(slash, "cmd/mailpub/config/") || strings.HasSuffix(slash, "fleet/guard/fields.go") {
			return nil // a field of the config may be called as a check
		}

		files++
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}

		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}

			if text, err := strconv.Unquote(literal.Value); err == nil && Area(text) != "" {
				t.Errorf("%s: %q is the id of a check: use its constant",
					fset.Position(literal.Pos()), text)
			}

			return true
		})

		return nil
	})

	if err != nil {
		t.Fatal(err)
	}

	if files < 300 {
		t.Errorf("only %d files were read", files)
	}
}

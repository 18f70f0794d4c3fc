package explain

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/checks.md")

const doc = "../../../docs/checks.md"

func TestEntries(t *testing.T) {
	id := regexp.MustCompile(`^[a-z]+\.[a-z0-9]+$`)
	seen := map[string]bool{}
	for _, e := range All() {
		if !id.MatchString(e.ID) || seen[e.ID] || Area(e.ID) != e.Area {
			t.Errorf("%q of area %q: ids are one word, a dot and one word, each once", e.ID, e.Area)
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

// The page is what the table says. `go test ./cmd/mailpub/explain -update` writes it.
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
		t.Errorf("%s is not what the table says: go test ./cmd/mailpub/explain -update", doc)
	}
}

func page() string {
	var b strings.Builder
	b.WriteString("# The checks of `mailpub verify`\n\n" +
		"`mailpub verify --explain ID` prints these lines, `mailpub verify --only ID` runs one of\n" +
		"them. What can't be known from where mailpub stands is `skip`, with the reason; an id that\n" +
		"the config does not call for is left out. Made from the table in cmd/mailpub/explain.\n")
	titles := map[string]string{"dns": "DNS", "router": "Router", "mail": "Mail server"}
	area := ""
	for _, e := range All() {
		if e.Area != area {
			area = e.Area
			fmt.Fprintf(&b, "\n## %s (`--only %s`)\n", titles[area], area)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n*Why.* %s\n\n*To mend it.* %s\n", e.ID, e.Looks, e.Why, e.Mend)
	}
	return b.String()
}

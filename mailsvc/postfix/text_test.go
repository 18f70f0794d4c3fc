package postfix

import (
	"strings"
	"testing"
)

const mainText = `# comment
myhostname=vm
  .example

mydestination = a,
# why b
  b
#relayhost = [commented]
relayhost =
  # an indented comment
mynetworks = 127.0.0.0/8
myhostname = second
last = x`

func TestDocument(t *testing.T) {
	d := parseMain(mainText)
	if d.String() != mainText {
		t.Fatalf("printed again it is\n%s", d)
	}

	for name, want := range map[string]string{"mydestination": "a, b", "relayhost": "",
		"mynetworks": "127.0.0.0/8", "myhostname": "second", "last": "x"} {
		if got, ok := d.get(name); got != want || !ok {
			t.Errorf("%s is %q, %v; want %q", name, got, ok, want)
		}
	}

	if _, ok := d.get("#relayhost"); ok {
		t.Error("a comment is a setting")
	}

	table := parseTable("Info@b.it anna\n  , lucia\ninfo@b.it other\nbad\n")
	if got, _ := table.get("info@b.it"); got != "anna , lucia" {
		t.Errorf("of two rows the first counts, got %q", got)
	}
}

// Whatever is set or taken out, every other line stays; put back, all is as it was.
func TestDocumentRestores(t *testing.T) {
	same := func(name string) func(a, b string) bool {
		return func(a, b string) bool { return canonical(name, a) == canonical(name, b) }
	}

	was := parseMain(mainText)
	for _, name := range []string{"myhostname", "mydestination", "relayhost", "mynetworks",
		"last"} {
		value, _ := was.get(name)
		d := parseMain(mainText)
		d.set(name, "new", name+" = new\n")
		again := parseMain(d.String())

		if got, _ := again.get(name); got != "new" {
			t.Errorf("%s was set to new and is %q", name, got)
		}

		for _, other := range []string{"# comment\n", "# why b\n",
			"#relayhost = [commented]\n", "  # an indented comment\n"} {
			if !strings.Contains(again.String(), other) {
				t.Errorf("setting %s lost %q:\n%s", name, other, again)
			}
		}

		again.set(name, value, name+" = "+value+"\n")
		back := parseMain(again.String())
		back.restore(name, was, same(name))

		if got := whole(back, was); got != mainText {
			t.Errorf("%s was put back as\n%s", name, got)
		}
	}

	d := parseMain(mainText)
	d.set("new", "1", "new = 1\n")
	d = parseMain(d.String())
	d.remove("new")

	if got := whole(d, was); got != mainText {
		t.Errorf("after a setting was added and removed:\n%s", got)
	}

	d.remove("mydestination")
	if want := "# why b\n"; !strings.Contains(d.String(), want) ||
		strings.Contains(d.String(), "  b\n") {
		t.Errorf("removed with its comment:\n%s", d)
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(mainText, "relayhost")
	f.Add("a = b\n c\n#\n\n d", "a")
	f.Add(" x\n=\n", "")
	f.Fuzz(func(t *testing.T, text, name string) {
		d := parseMain(text)
		if d.String() != text {
			t.Fatalf("%q is printed as %q", text, d)
		}

		if name == "" || name != canonical("", name) || strings.Contains(name, "=") ||
			strings.Contains(name, " ") || name[0] == '#' {
			return
		}

		d.set(name, "value", name+" = value\n")
		if got, ok := parseMain(d.String()).get(name); !ok || got != "value" {
			t.Fatalf("%q: %s was set in %q, and is %q in %q", name, name, text, got, d)
		}
	})
}

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"myhostname", "  a \t b ", "a b"},
		{"relayhost", "", empty},
		{"mydestination", "a,b c,,\td", "a, b, c, d"},
		{"smtpd_sender_restrictions", "check_sender_access hash:/x reject_rbl_client,zen.example reject", "check_sender_access hash:/x, reject_rbl_client zen.example, reject"},
		{"smtpd_sender_login_maps", "inline:{{@a.it = x}, {@b.it = y}} hash:/z", "inline:{{@a.it = x}, {@b.it = y}}, hash:/z"},
		{"virtual_alias_maps", "}} a", "}}, a"},
		{"smtpd_banner", "$myhostname, ESMTP", "$myhostname, ESMTP"},
	} {
		if got := canonical(c.name, c.value); got != c.want {
			t.Errorf("%s %q is %q, want %q", c.name, c.value, got, c.want)
		}
		if got := canonical(c.name, literal(c.want)); got != c.want {
			t.Errorf("%s: %q becomes %q", c.name, c.want, got)
		}
	}
}

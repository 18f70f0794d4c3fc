package lang

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestText(t *testing.T) {
	for _, test := range []struct{ english, want string }{
		{"no PTR", "nessun PTR"},
		{"mail.nomeazienda.it has no address", "mail.nomeazienda.it non ha un indirizzo"},
		{"broken: the mail server is down", "guasto: il server di posta è fermo"},
		{"mx.exists fails: no record.", "mx.exists fallisce: nessun record."},
		{"was put in place and is gone; mail for the domain goes to the mail host",
			"era stato messo ed è sparito; la posta del dominio va all'host di posta"},
		{"serial 3: nothing that is known", "serial 3: nothing that is known"},
		{"port.inside smtp at 10.10.10.10:25: got no mail server answers at 10.10.10.10:25: connection refused, want listens",
			"port.inside smtp at 10.10.10.10:25: trovato nessun server di posta risponde su 10.10.10.10:25: connection refused, atteso in ascolto"},
		{"Mon 2 Jan: up for 99.5 % of the time", "Mon 2 Jan: in funzione per il 99.5 % del tempo"},
		{"100% of it", "100% of it"},
		{"", ""},
	} {
		if got := Italian.Text(test.english); got != test.want {
			t.Errorf("%q: %q, want %q", test.english, got, test.want)
		}
		if got := English.Text(test.english); got != test.english {
			t.Errorf("%q: %q in English", test.english, got)
		}
	}
}

func TestLines(t *testing.T) {
	got := Italian.Lines("broken: the mail server is down\n- host.ptr 2.2.2.2: no PTR\n  run verify again")
	want := "guasto: il server di posta è fermo\n- host.ptr 2.2.2.2: nessun PTR\n  ripetere verify"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFormat(t *testing.T) {
	day := time.Date(2026, 5, 4, 12, 30, 0, 0, time.UTC)
	if got := Italian.Format(day, "Mon 2 Jan 15:04"); got != "lun 4 mag 12:30" {
		t.Error(got)
	}
	if got := English.Format(day, "Mon 2 Jan"); got != "Mon 4 May" {
		t.Error(got)
	}
}

func TestSystem(t *testing.T) {
	for _, test := range []struct {
		all, messages, lang string
		want                Language
	}{
		{"", "", "it_IT.UTF-8", Italian},
		{"", "", "de_DE.UTF-8", English},
		{"C", "", "it_IT.UTF-8", English},
		{"", "it_CH", "en_GB", Italian},
		{"", "", "", English},
	} {
		t.Setenv("LC_ALL", test.all)
		t.Setenv("LC_MESSAGES", test.messages)
		t.Setenv("LANG", test.lang)
		if got := System(); got != test.want {
			t.Errorf("%+v: %q", test, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"\tuno":                      "line 1: a translation without a sentence",
		"one\ntwo\n\tdue":            `line 2: "one" has no translation`,
		"one\n\tuno\none\n\tuno":     `line 3: "one" is there twice`,
		"one of %s\n\tuno di %s, %s": "line 2: \"uno di %s, %s\" has other values than \"one of %s\"",
	} {
		if _, err := parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Every sentence that a page, a report, a notice or a request can show is in the catalogue, and the catalogue has
// no other: one that is added is translated, or stands among those that are never shown to people in their language.
func TestEverySentence(t *testing.T) {
	never := map[string]bool{}
	for _, line := range strings.Split(readFile(t, "testdata/never_shown.txt"), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			never[line] = true
		}
	}

	pairs, err := parse(italianText)
	if err != nil {
		t.Fatal(err)
	}

	translated := map[string]bool{}
	for _, p := range pairs {
		translated[p.english] = true
	}

	used := map[string]bool{}
	for _, pattern := range []string{
		"../../../providers/dnscheck/*.go", "../../../providers/zone/*.go",
		"../../../mailsvc/check/*.go",
		"../../../mailsvc/roundtrip/*.go", "../../../nat/check/*.go", "../../../mailsvc/reports/judge.go",
		"../../../mailsvc/reports/sessions.go", "../../../plan/*.go",
		"../../../plan/mail/*.go",
		"../../../plan/catalog/cause.go", "../page/*.go", "../watch/*.go", "../request/*.go",
		"../term/changes.go", "../page/parts/*.tmpl", "../site/*.go",
		"../../../mailsvc/*.go", "../../../mailsvc/sts/*.go", "../../../providers/spf/*.go",
		"../../../nat/*.go",
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}

		for _, file := range files {
			for _, s := range sentencesOf(t, file) {
				used[s] = true
				if !translated[s] && !never[s] {
					t.Errorf("%s: not translated: %s", file, s)
				}
				if translated[s] && never[s] {
					t.Errorf("translated, and said never to be shown: %s", s)
				}
			}
		}
	}

	for s := range translated {
		if !used[s] && !said[s] && strings.Contains(s, " ") { // single words are said by many
			t.Errorf("nothing says this any more: %s", s)
		}
	}

	for s := range never {
		if !used[s] {
			t.Errorf("nothing says this any more, in testdata/never_shown.txt: %s", s)
		}
	}
}

// said are sentences that are put together where no test can read them: subjects of checks, references, and what
// a resolver says.
var said = map[string]bool{
	"%s at %s": true, "%s (at %s)": true, "%s (%s of %s)": true, "%s (%s)": true, "zone %s": true, "%s as %s": true,
	"%s in %s":          true,
	"RFC %s section %s": true, "RFC %s sections %s": true, "%s: %s": true,
	"ask the connectivity provider to point %s at %s, and at nothing else": true,
	"connection refused: nothing listens":                                  true,
	"the name servers of %s: %s":                                           true, "name server %s: %s": true,
	"let the host's firewall accept %s from everywhere": true, "run mailpub as root": true,
	"no such record": true, "no such name": true, "no name server answers": true,
	"none of them answers": true,
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	verb    = regexp.MustCompile(`%[-+# 0-9.\[\]]*[a-zA-Z]`)
	action  = regexp.MustCompile(`\{\{[^}]*\}\}`)
	quoted  = regexp.MustCompile(`"([^"]+)"`)
	word    = regexp.MustCompile(`[A-Za-z]{3}`)
	machine = regexp.MustCompile(`\n|\r|\(\?|^((RFC|UPnP) [A-Z0-9]|GET |text/|v=|default-src|0 |mode:|mx:|max_age:|version:|From:|To:|Subject:|Auto-Submitted)`)
)

// sentencesOf are the texts of a file that hold a space and a word: literals, what is joined of them, formats; and
// what its templates say.
func sentencesOf(t *testing.T, file string) (list []string) {
	if strings.HasSuffix(file, "_test.go") {
		return nil
	}

	if strings.HasSuffix(file, ".tmpl") {
		for _, action := range action.FindAllString(readFile(t, file), -1) {
			for _, quoted := range quoted.FindAllStringSubmatch(action, -1) {
				if s := verb.ReplaceAllString(quoted[1], value); strings.Contains(s, " ") {
					list = append(list, s)
				}
			}
		}

		return list
	}

	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}

	ast.Inspect(parsed, func(n ast.Node) bool {
		if _, ok := n.(*ast.ImportSpec); ok {
			return false
		}

		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}

		text, ok := format(e)
		if !ok {
			return true
		}

		text = strings.ReplaceAll(verb.ReplaceAllString(strings.ReplaceAll(text, "%%", "\x00"),
			value), "\x00", "%")

		if strings.Contains(text, " ") && word.MatchString(strings.ReplaceAll(text, value,
			"")) && !machine.MatchString(text) {
			list = append(list, text)
		}

		return false
	})

	return list
}

// format is a text as a format, with a value wherever something else than a literal is joined to it.
func format(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, err := strconv.Unquote(e.Value)
			return strings.ReplaceAll(s, "%", "%%"), err == nil
		}
	case *ast.ParenExpr:
		return format(e.X)
	case *ast.BinaryExpr:
		a, ok := format(e.X)
		b, also := format(e.Y)
		if e.Op != token.ADD || !ok && !also {
			return "", false
		}

		if !ok {
			a = value
		}

		if !also {
			b = value
		}

		return a + b, true
	case *ast.CallExpr:
		s, ok := e.Fun.(*ast.SelectorExpr)
		if !ok || len(e.Args) == 0 || !strings.HasSuffix(s.Sel.Name, "f") {
			return "", false
		}

		l, ok := e.Args[0].(*ast.BasicLit)
		if !ok || l.Kind != token.STRING {
			return "", false
		}

		text, err := strconv.Unquote(l.Value)
		return text, err == nil
	}

	return "", false
}

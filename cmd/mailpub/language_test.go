package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// markers are the words that docs/style.md has better ones for.
var markers = regexp.MustCompile(`(?i)\b(strangers?|nobody|somebody|whoever|everybody)\b|\bthe world\b|\bby hand\b|\banew\b|\bmend(s|ed|ing)?\b` +
	`|\b(go|goes|going|went) on\b|\bleads? nowhere\b|\blook(s|ed|ing)? at\b|\bagain and again\b|\b(not to|can't|could not|cannot) be had\b|, which is none\b|" is none\b|\bthat there (is|are) not yet\b`)

// meantSo are parts of texts in which a marker is meant, with the reason.
var meantSo = map[string]string{
	"chown nobody mail":           "the account",
	"RCPT TO:<nobody@":            "an address",
	"somebody-elses-verification": "a record's data",
	"v=spf10 is none":             "a record's data",
	"looks at no context":         "the libraries' own fault, in the table of providers",
	"Forwards|Strangers|NoRouter": "a benchmark's name",
	"TestPlanStrangers":           "a test's name",
	"user: nobody":                "the account",
}

// Texts of the program and of the docs have none of the words that docs/style.md replaces.
func TestLanguage(t *testing.T) {
	check := func(place, text string) {
		for _, m := range markers.FindAllStringIndex(text, -1) {
			near := text[max(0, m[0]-60):min(len(text), m[1]+60)]
			allowed := false
			for part := range meantSo {
				allowed = allowed || strings.Contains(near, part)
			}

			if !allowed {
				t.Errorf("%s: %q: see docs/style.md", place, near)
			}
		}
	}

	eachGoFile(t, func(path string, file *ast.File, fset *token.FileSet) {
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}

			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}

			if len(strings.Fields(text)) >= 3 {
				check(fset.Position(lit.Pos()).String(), text)
			}

			return true
		})
	})

	for _, pattern := range []string{"page/parts/*.tmpl", "../../*.md", "../../docs/*.md",
		"../../docs/*/*.md"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatal(pattern, err)
		}

		for _, path := range paths {
			if base := filepath.Base(path); base == "style.md" ||
				strings.HasSuffix(base, ".it.md") {
				continue // the one shows what not to write, the other is Italian
			}

			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}

			for i, line := range strings.Split(string(data), "\n") {
				check(path+":"+strconv.Itoa(i+1), line)
			}
		}
	}
}

// shared are the names that three packages or more declare at top level, each with one meaning.
var shared = strings.Fields(`
	Options Open New Run Load Parse parse Write Start Find Config Client Status Kind Event Format
	Provider Backend Driver Server Service Setting Router Port Forward Target Key Files file
	Site Domain Zone MX DMARC Alias Mailbox Public Served
	Facts Report Result Answer Hop Drift Watch
	refusal Unreachable instructions listen question seconds subjectOf within`)

// A name means one thing in the module: one that several packages declare is a shared word, or gets another name.
func TestNames(t *testing.T) {
	declared := map[string][]string{}
	eachGoFile(t, func(path string, file *ast.File, _ *token.FileSet) {
		dir := filepath.Dir(path)
		for _, name := range topLevelNames(file) {
			if !slices.Contains(declared[name], dir) {
				declared[name] = append(declared[name], dir)
			}
		}
	})

	for name, dirs := range declared {
		if len(dirs) > 2 && !slices.Contains(shared, name) &&
			!slices.Contains([]string{"_", "main", "init"}, name) {
			t.Errorf("%s is declared in %s: see docs/style.md", name, strings.Join(dirs, ", "))
		}
	}

	for _, name := range shared {
		if len(declared[name]) < 2 {
			t.Errorf("%s is no shared name any more", name)
		}
	}
}

// topLevelNames are the types and functions that a file declares.
func topLevelNames(file *ast.File) (names []string) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if s, ok := s.(*ast.TypeSpec); ok {
					names = append(names, s.Name.Name)
				}
			}
		}
	}

	return names
}

// eachGoFile parses every Go file of the program: neither tests nor what only tests use.
func eachGoFile(t *testing.T, use func(path string, file *ast.File, fset *token.FileSet)) {
	fset := token.NewFileSet()
	err := filepath.WalkDir("../..", func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}

		name := e.Name()
		if e.IsDir() && (name == "testdata" || name == "examples" ||
			strings.HasPrefix(name, ".") && name != ".." || strings.HasSuffix(name, "test")) {
			return filepath.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}

		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}

		use(path, file, fset)
		return nil
	})

	if err != nil {
		t.Fatal(err)
	}
}

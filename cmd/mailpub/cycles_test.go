package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// manyFiles is the size from which on a package has to be layered inside: a reader can't hold more
// files in mind at once.
const manyFiles = 10

// tangled are the packages above that size that have a cycle among their files, with the number of
// files in the largest and what ties them. None may grow; one that is untied leaves the list.
var tangled = map[string]int{
	"cmd/mailpub/watch":  8, // a watcher of a site and the daemon hold each other, by design: one wakes, one reports
	"mailsvc/receiver":   8, // a connection, its commands and the server hold each other
	"mailsvc/mdaemon":    8, // an App, its files and its settings hold each other
	"mailsvc/postfix":    3, // a write that fails is rolled back, which writes
	"nat":                6, // a Router changes its forwards, falls back to another protocol and opens that
	"providers/resolver": 4, // a Resolver asks over sockets that it keeps, and both have its types
	"providers/zone":     5, // a Zone's verbs are in four files, each of which uses its fields
}

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// TestFileCycles computes from types which file of a package uses the definitions of which other
// one, and fails for a package of many files in which some of them use each other in a circle.
func TestFileCycles(t *testing.T) {
	ours, exports := goList(t)
	largest := map[string]int{}
	for _, p := range ours {
		graph := fileGraph(t, p, exports)
		cycle := largestCycle(graph)
		name := strings.TrimPrefix(p.ImportPath, module)
		largest[name] = len(cycle)

		if len(p.GoFiles) <= manyFiles {
			continue
		}

		if allowed := tangled[name]; len(cycle) > allowed {
			t.Errorf("%s: %d of %d files use each other in a circle, want %d:\n%s",
				name, len(cycle), len(p.GoFiles), allowed, describe(graph, cycle))
		}
	}

	for name, allowed := range tangled {
		if largest[name] < allowed {
			t.Logf("%s: the largest cycle has %d files, and %d are allowed: lower it", name,
				largest[name], allowed)
		}
	}

	if len(ours) < 50 {
		t.Errorf("only %d packages were read", len(ours))
	}

	for _, name := range slices.SortedFunc(maps.Keys(largest), func(a, b string) int {
		return cmp.Or(cmp.Compare(largest[b], largest[a]), cmp.Compare(a, b))
	}) {
		if largest[name] > 0 {
			t.Logf("%2d files  %s", largest[name], name)
		}
	}
}

// goList returns the packages of this module, and the export data of all that they import.
func goList(t *testing.T) (ours []goPackage, exports map[string]string) {
	cmd := exec.Command("go", "list", "-export", "-deps",
		"-json=ImportPath,Dir,Export,GoFiles", "./...")

	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}

	exports = map[string]string{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return ours, exports
		} else if err != nil {
			t.Fatal(err)
		}

		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, module) {
			ours = append(ours, p)
		}
	}
}

// uses says which file uses which other ones, and for each one name that it uses.
type uses map[string]map[string]string

// fileGraph type-checks a package.
func fileGraph(t *testing.T, p goPackage, exports map[string]string) uses {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil,
			parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}

	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc",
		func(path string) (io.ReadCloser, error) {
			return os.Open(exports[path])
		})}

	pkg, err := config.Check(p.ImportPath, fset, files, &info)
	if err != nil {
		t.Fatal(err)
	}

	return usesOf(fset, pkg, info.Uses)
}

func usesOf(fset *token.FileSet, pkg *types.Package, all map[*ast.Ident]types.Object) uses {
	graph := uses{}
	for id, object := range all {
		if object.Pkg() != pkg || local(object, pkg) {
			continue
		}

		from := filepath.Base(fset.Position(id.Pos()).Filename)
		to := filepath.Base(fset.Position(object.Pos()).Filename)
		if from == to {
			continue
		}

		if graph[from] == nil {
			graph[from] = map[string]string{}
		}

		if named := graph[from][to]; named == "" || id.Name < named {
			graph[from][to] = id.Name
		}
	}

	return graph
}

// local reports whether an object can be used in its own file alone: a variable of a function, a
// parameter, an import.
func local(object types.Object, pkg *types.Package) bool {
	switch o := object.(type) {
	case *types.Var:
		return !o.IsField() && o.Parent() != pkg.Scope()
	case *types.Func:
		return o.Signature().Recv() == nil && o.Parent() != pkg.Scope()
	}
	return object.Parent() != pkg.Scope()
}

// largestCycle returns the largest set of files of which each reaches every other one (Tarjan's
// strongly connected components); nil where no two do.
func largestCycle(graph uses) (largest []string) {
	index := map[string]int{}
	low := map[string]int{}
	var stack []string
	var visit func(file string)
	visit = func(file string) {
		index[file] = len(index) + 1
		low[file] = index[file]
		stack = append(stack, file)

		for _, next := range slices.Sorted(maps.Keys(graph[file])) {
			if index[next] == 0 {
				visit(next)
				low[file] = min(low[file], low[next])
			} else if slices.Contains(stack, next) {
				low[file] = min(low[file], index[next])
			}
		}

		if low[file] < index[file] {
			return
		}

		i := slices.Index(stack, file)
		if cycle := slices.Clone(stack[i:]); len(cycle) > max(1, len(largest)) {
			largest = cycle
		}

		stack = stack[:i]
	}

	for _, file := range slices.Sorted(maps.Keys(graph)) {
		if index[file] == 0 {
			visit(file)
		}
	}

	slices.Sort(largest)
	return largest
}

// describe lists the arrows within a cycle.
func describe(graph uses, cycle []string) string {
	var b strings.Builder
	for _, from := range cycle {
		for _, to := range slices.Sorted(maps.Keys(graph[from])) {
			if slices.Contains(cycle, to) {
				fmt.Fprintf(&b, "  %s -> %s (%s)\n", from, to, graph[from][to])
			}
		}
	}

	return b.String()
}

// The search itself: what it must find and what it must let pass.
func TestLargestCycle(t *testing.T) {
	for _, c := range []struct {
		arrows, want string
	}{
		{"", ""},
		{"a>b b>c a>c", ""},
		{"a>b b>a", "a b"},
		{"a>b b>c c>a c>d d>e e>d", "a b c"},
		{"a>b c>a b>d d>c d>e", "a b c d"},
	} {
		graph := uses{}
		for _, arrow := range strings.Fields(c.arrows) {
			from, to, _ := strings.Cut(arrow, ">")
			if graph[from] == nil {
				graph[from] = map[string]string{}
			}
			graph[from][to] = "X"
		}

		if got := strings.Join(largestCycle(graph), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.arrows, got, c.want)
		}
	}
}

package egress_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// exceptions are the sockets that need no egress.Control, with the reason.
var exceptions = map[string]string{
	"nat/gateway/gateway.go":        "picks a route, sends nothing",
	"cmd/mailpub/scout/machine.go":  "picks a route, sends nothing",
	"nat/search.go":                 "search refuses a limited context first",
	"nat/listener.go":               "Run refuses a limited context first",
	"providers/webapi/client.go":    "zone.Open always sets Options.HTTPClient",
	"cmd/mailpub/receive/listen.go": "listens for the receiver of this machine",
	"cmd/mailpub/fleet/page.go":     "listens for the page of this machine",
	"plan/egress/transport.go":      "the transport itself",
	"nat/nattest":                   "stand-in for tests",
	"nat/igd":                       "simulated router of demo and tests",
	"providers/authdns":             "name server of demo and tests",
	"providers/servertest":          "servers for tests",
	"providers/zonetest":            "suite for tests",
	"examples/lab":                  "the lab of tests",
	"cmd/mailpub/demo":              "the demo's own simulated Internet on loopback",
}

// dialing are functions that open a socket and take no ControlContext.
var dialing = map[string]bool{
	"net.Dial": true, "net.DialTimeout": true, "net.DialUDP": true, "net.DialTCP": true,
	"net.DialIP": true, "net.DialUnix": true, "net.ListenUDP": true, "net.ListenPacket": true,
	"net.ListenMulticastUDP": true, "net.ListenIP": true, "tls.Dial": true,
	"tls.DialWithDialer": true, "smtp.Dial": true, "http.Get": true, "http.Post": true,
	"http.PostForm": true, "http.Head": true, "dns.Dial": true, "dns.Exchange": true,
	"dns.ExchangeContext": true, "dns.DialTimeout": true, "imapclient.DialTLS": true,
	"imapclient.DialInsecure": true, "imapclient.DialStartTLS": true,
}

// needed are literals that open sockets, and the field that must stand in them.
var needed = map[string]string{
	"net.Dialer": "ControlContext", "http.Transport": "DialContext", "http.Client": "Transport",
	"dns.Client": "Dialer", "net.ListenConfig": "Control", "net.Resolver": "Dial",
	"tls.Dialer": "NetDialer",
}

// TestSources reads every file of the project and fails on a dialer without egress.Control: it would let
// a customer's text reach the inside of the network that a worker stands in.
func TestSources(t *testing.T) {
	files := 0
	used := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") ||
			strings.HasSuffix(path, "_test.go") {
			return err
		}

		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}

		name := filepath.ToSlash(strings.TrimPrefix(path, filepath.FromSlash("../../")))
		for _, why := range uncontrolled(set, file) {
			at := exception(name)
			if used[at] = true; at == "" {
				t.Errorf("%s: %s", name, why)
			}
		}

		return nil
	})

	if err != nil {
		t.Fatal(err)
	}

	for e := range exceptions {
		if !used[e] {
			t.Errorf("nothing needs the exception for %s", e)
		}
	}

	if files < 500 {
		t.Errorf("only %d files were read", files)
	}
}

func exception(name string) string {
	for e := range exceptions {
		if name == e || strings.HasPrefix(name, e+"/") {
			return e
		}
	}
	return ""
}

// uncontrolled lists what in a file opens sockets without the control.
func uncontrolled(set *token.FileSet, file *ast.File) (all []string) {
	add := func(n ast.Node, format string, args ...any) {
		all = append(all, fmt.Sprintf("line %d: ", set.Position(n.Pos()).Line)+
			fmt.Sprintf(format, args...))
	}

	literal := map[ast.Node]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			kind := selector(n.Type)
			field := needed[kind]
			if field == "" {
				break
			}

			literal[n.Type] = true
			if !hasField(n, field) {
				add(n, "%s without %s", kind, field)
			}
		case *ast.CallExpr:
			if dialing[selector(n.Fun)] {
				add(n, "%s takes no ControlContext", selector(n.Fun))
			}
		case *ast.ValueSpec:
			if needed[selector(n.Type)] != "" {
				add(n, "a zero %s", selector(n.Type))
			}
		case *ast.SelectorExpr:
			switch selector(n) {
			case "http.DefaultTransport", "http.DefaultClient", "net.DefaultResolver":
				add(n, "%s dials without limits", selector(n))
			}
		}

		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 1 {
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "new" &&
				needed[selector(call.Args[0])] != "" {
				add(n, "a zero %s", selector(call.Args[0]))
			}
		}

		return true
	})

	return all
}

func selector(e ast.Expr) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}

	id, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}

	return id.Name + "." + s.Sel.Name
}

func hasField(l *ast.CompositeLit, name string) bool {
	for _, e := range l.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if id, ok := kv.Key.(*ast.Ident); ok && id.Name == name {
			return true
		}
	}

	return false
}

// What the test must find, and what it must let pass.
func TestUncontrolled(t *testing.T) {
	for source, want := range map[string]int{
		`var d net.Dialer`: 1, `var d = net.Dialer{}`: 1, `var d = new(net.Dialer)`: 1,
		`var d = &net.Dialer{Timeout: 1}`:                    1,
		`var d = net.Dialer{ControlContext: egress.Control}`: 0,
		`var c, e = net.Dial("tcp", x)`:                      1, `var c, e = tls.Dial("tcp", x, nil)`: 1,
		`var t = http.Transport{}`: 1, `var t = http.Transport{DialContext: d.DialContext}`: 0,
		`var c = &http.Client{}`: 1, `var c = http.Client{Transport: t}`: 0,
		`var c = http.DefaultClient`: 1, `var c = dns.Client{Net: "tcp"}`: 1,
		`var l net.ListenConfig`: 1, `var p = (*net.Dialer)(nil)`: 0,
		`func f(d *net.Dialer) {}`: 0,
	} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "x.go", "package x\n"+source, 0)
		if err != nil {
			t.Fatal(err)
		}

		if got := uncontrolled(set, file); len(got) != want {
			t.Errorf("%s: %v, want %d", source, got, want)
		}
	}
}

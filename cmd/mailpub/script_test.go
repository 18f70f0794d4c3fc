package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mailpub/mailpub/cmd/mailpub/demo"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/zone"
)

// update has tests write anew what is made from the code, or recorded, and kept in the repository.
var update = flag.Bool("update", false, "write the files that the tests hold against the code")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mailpub": main})
}

// quickExit is for GORACE: a process under the race detector sleeps for a second at its
// end, unless told otherwise.
const quickExit = "atexit_sleep_ms=0"

// TestScripts runs every script against a world of its own: the demo's name server and
// router. The site's config is mailpub.yaml; a script that brings its own wins.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			ctx, cancel := context.WithCancel(context.Background())
			world, err := demo.Start(ctx)
			if err != nil {
				cancel()
				return err
			}

			env.Defer(func() { world.Close(); cancel() })
			env.Values["world"] = world
			env.Setenv(demo.KeyVariable, world.Key)
			env.Setenv("GORACE", quickExit)
			env.Setenv("DNS", world.DNS.Addr())
			env.Setenv("ROUTER", world.Router.URL())
			env.Setenv("SMTP_PORT", strconv.Itoa(world.Ports["smtp"]))
			config := filepath.Join(env.WorkDir, "mailpub.yaml")
			if _, err := os.Stat(config); err == nil {
				return nil
			}

			return os.WriteFile(config, []byte(world.Config()), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":       scriptCode,
			"world":      scriptWorld,
			"foreign":    scriptForeign,
			"forget":     scriptForget,
			"forward":    scriptForward,
			"wan":        scriptWAN,
			"unreadable": scriptUnreadable,
			"deliver":    scriptDeliver,
			"ready":      scriptReady,
			"replace":    scriptReplace,
			"insert":     scriptInsert,
			"expand":     scriptExpand,
			"stored":     scriptStored,
			"long-since": scriptLongSince,
		},
	})
}

func worldOf(ts *testscript.TestScript) *demo.Internet { return ts.Value("world").(*demo.Internet) }

// code N COMMAND...: the command exits with exactly N.
func scriptCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}

	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// unreadable CODE ACTION...: the router answers a question for what it maps with a UPnP error: where
// it maps nothing, or with "always" first, ever. Without arguments it is well again.
func scriptUnreadable(ts *testscript.TestScript, _ bool, args []string) {
	router := worldOf(ts).Router
	if len(args) == 0 {
		router.Inject(nil)
		return
	}

	always := args[0] == "always"
	if always {
		args = args[1:]
	}

	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	actions := args[1:]
	router.Inject(func(c igd.Call) igd.Fault {
		there := slices.ContainsFunc(router.Mappings(), func(m igd.Mapping) bool {
			return strconv.Itoa(int(m.External)) == c.Args["NewExternalPort"]
		})
		if slices.Contains(actions, c.Action) && (always || !there) {
			return igd.Fault{Code: code}
		}
		return igd.Fault{}
	})
}

// world FILE: writes the state of DNS and router into FILE.
func scriptWorld(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(worldOf(ts).State()), 0o600))
}

// foreign NAME TYPE LINE...: a stranger puts an RRset in place; without lines, takes it away.
func scriptForeign(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(putForeign(context.Background(), worldOf(ts), mail.DNSKey(args[0], args[1]),
		args[2:]))
}

func putForeign(ctx context.Context, world *demo.Internet, key plan.Key, lines []string) error {
	zone, err := providers.Open("rfc2136", zone.Options{
		Zone: "nomeazienda.it",
		Settings: map[string]string{
			"server": world.DNS.Addr(), "key_name": "mailpub.", "key": world.Key,
		},
	})

	if err != nil {
		return err
	}

	items, err := zone.Read(ctx, []plan.Key{key})
	if err != nil {
		return err
	}

	c := plan.Change{Key: key, Action: plan.Create, After: lines}
	if len(items) > 0 {
		c.Action = plan.Update
		c.Before = items[0].Lines
	}

	if len(lines) == 0 {
		c.Action = plan.Delete
		c.After = nil
	}

	return zone.Apply(ctx, []plan.Change{c}, func(plan.Change, error) {})
}

// forget PORT|all: the router forgets a forward, or restarts.
func scriptForget(ts *testscript.TestScript, _ bool, args []string) {
	if args[0] == "all" {
		worldOf(ts).Router.Reboot()
		return
	}
	port, err := strconv.ParseUint(args[0], 10, 16)
	ts.Check(err)
	worldOf(ts).Router.Remove("tcp", uint16(port))
}

// forward PORT TO: a stranger maps a port.
func scriptForward(ts *testscript.TestScript, _ bool, args []string) {
	port, err := strconv.ParseUint(args[0], 10, 16)
	ts.Check(err)
	ts.Check(worldOf(ts).Router.Set(igd.Mapping{
		Proto:    "tcp",
		External: uint16(port),
		Internal: netip.MustParseAddrPort(args[1]),
		Enabled:  true,
	}))
}

// wan ADDRESS: the router gets another address outside.
func scriptWAN(ts *testscript.TestScript, _ bool, args []string) {
	worldOf(ts).Router.SetExternal(netip.MustParseAddr(args[0]))
}

// deliver ADDRESS NONCE: a stranger's server delivers a message; "! deliver" if it can't.
func scriptDeliver(ts *testscript.TestScript, neg bool, args []string) {
	transcript, err := worldOf(ts).Send(context.Background(), args[0], args[1])
	ts.Logf("%s", transcript)
	if (err != nil) != neg {
		ts.Fatalf("deliver: %v", err)
	}
}

// ready: waits until the receiver answers.
func scriptReady(ts *testscript.TestScript, _ bool, _ []string) {
	worldOf(ts).WaitForReceiver(context.Background())
}

// replace OLD NEW FILE: edits a file, which must hold OLD. In NEW, \n is a line end.
func scriptReplace(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s has no %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]),
		[]byte(strings.ReplaceAll(text, args[0], strings.ReplaceAll(args[1], `\n`, "\n"))),
		0o600))
}

// insert FILE LINE TARGET: puts the lines of FILE behind the first such line of TARGET.
func scriptInsert(ts *testscript.TestScript, _ bool, args []string) {
	before, after, found := strings.Cut(ts.ReadFile(args[2]), args[1]+"\n")
	if !found {
		ts.Fatalf("%s has no line %q", args[2], args[1])
	}
	text := before + args[1] + "\n" + ts.ReadFile(args[0]) + after
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text), 0o600))
}

// expand NAME FILE: puts the value of an environment variable in the place of $NAME.
func scriptExpand(ts *testscript.TestScript, _ bool, args []string) {
	scriptReplace(ts, false, []string{"$" + args[0], ts.Getenv(args[0]), args[1]})
}

// stored TEXT: a message that holds it is in mario's mailbox; "! stored" if in nobody's.
func scriptStored(ts *testscript.TestScript, neg bool, args []string) {
	pattern := "mail/mario/new/*"
	if neg {
		pattern = "mail/*/*/*"
	}

	messages, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	found := slices.ContainsFunc(messages, func(path string) bool {
		return strings.Contains(ts.ReadFile(path), args[0])
	})

	if found == neg {
		ts.Fatalf("of %d messages in %s: one holds %q: %t", len(messages), pattern, args[0],
			found)
	}
}

// long-since FILE: what FILE says to be so since a time has been so for years.
func scriptLongSince(ts *testscript.TestScript, _ bool, args []string) {
	old := ts.ReadFile(args[0])
	text := regexp.MustCompile(`"since": "[^"]*"`).ReplaceAllString(old,
		`"since": "2020-01-01T00:00:00Z"`)
	if text == old {
		ts.Fatalf("%s says nothing of since when", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// The demo itself, as a user sees it.
func TestDemo(t *testing.T) {
	var out strings.Builder
	a := newApp(strings.NewReader(""), &out, &out)
	code := a.execute(t.Context(), []string{"demo"})

	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}

	for _, want := range []string{
		"Plan: 16 to add.", "gate open: mail.nomeazienda.it answers", "Done: 16 changes.",
		"The message is in mail",
		"No changes: 16 items up to date.", ", 0 failed,", "Done: 2 changes.",
		"as they were at the start",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q", want)
		}
	}

	if t.Failed() {
		fmt.Println(out.String())
	}
}

func has(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in:\n%s", w, text)
		}
	}
}

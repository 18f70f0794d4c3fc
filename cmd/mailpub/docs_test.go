package main

import (
	"cmp"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/setup"
	"github.com/mailpub/mailpub/plan/catalog"
)

// pages are the texts that people read, by their paths from the top.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	add := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimPrefix(filepath.ToSlash(path), "../../")] = string(text)
	}

	for _, top := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "nfpm.yaml",
		"Containerfile"} {
		add("../../" + top)
	}

	for _, dir := range []string{"../../docs", "../../examples"} {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if ext := filepath.Ext(path); err == nil && (ext == ".md" || ext == ".yaml") {
				add(path)
			}
			return err
		})

		if err != nil {
			t.Fatal(err)
		}
	}

	return found
}

// called is a command line of mailpub wherever one may stand: behind a prompt, sudo, variables, in
// a workflow's "run:", a unit's "ExecStart=", between backticks.
var called = regexp.MustCompile("(?:^|[\\s`(\"=&|;$\\\\/])mailpub(?:\\.exe)? ((?:-[a-z-]+|[a-z]+)(?: [^`\\n]*)?)")

// optional is what a synopsis may leave out.
var optional = regexp.MustCompile(` \[[A-Za-z |]+\]`)

// ends are what ends a command line, in shells and in prose.
var ends = regexp.MustCompile(`\s*(?:&&|\|\||[;|&]|\s[0-9]?>|<[^-]|\s#|   |` + "`" +
	`|"\s*$|"\]|\)\.|>/).*$|>[a-zA-Z/].*$`)

// lacking matches the errors of a command that lacks an argument.
var lacking = regexp.MustCompile(`a domain is missing|wrong number of arguments \(0\)`)

// TestDocs parses every command line of mailpub in everything that people read, as mailpub does
// before it does anything: the command, its flags and how many arguments it takes.
func TestDocs(t *testing.T) {
	lines := 0
	for path, text := range pages(t) {
		inCode, prompted := false, false
		for n, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				inCode, prompted = !inCode, false
				continue
			}

			prompt := inCode && strings.HasPrefix(line, "$ ")
			if prompted && !prompt {
				continue // what the command printed
			}

			prompted = prompted || prompt
			code := inCode || strings.HasPrefix(line, "    ")
			if !strings.HasSuffix(path, ".md") {
				code = strings.HasPrefix(line, "#   ")
			}

			for _, words := range commandLines(line, code) {
				lines++
				err := parses(words)
				if err != nil && !code && len(words) <= 3 && lacking.MatchString(err.Error()) {
					err = nil // prose names the command, not what it takes
				}

				if err != nil {
					t.Errorf("%s:%d: mailpub %s: %v", path, n+1, strings.Join(words, " "), err)
				}
			}
		}
	}

	if lines < 100 {
		t.Errorf("only %d command lines were found", lines)
	}
}

// commandLines returns the arguments of each mailpub that a line calls. In prose only what stands
// between backticks is a command line.
func commandLines(line string, code bool) (all [][]string) {
	parts := []string{line}
	if !code {
		parts = nil
		for i, p := range strings.Split(line, "`") {
			if i%2 == 1 && strings.HasPrefix(p, "mailpub ") {
				parts = append(parts, p)
			}
		}
	}

	for _, p := range parts {
		if at := strings.Index(" "+p, " # "); at >= 0 &&
			!strings.HasPrefix(strings.TrimSpace(p), "#   ") {
			p = p[:at] // behind it is a sentence
		}

		p = optional.ReplaceAllString(p, "")
		for _, piece := range regexp.MustCompile(`&&|\|\||;|\|`).Split(p, -1) {
			m := called.FindStringSubmatch(piece)
			if m == nil || !isCommand(m[1]) {
				continue
			}
			if words := shellWords(ends.ReplaceAllString(m[1], "")); len(words) > 0 {
				all = append(all, words)
			}
		}
	}

	return all
}

// isCommand reports whether text begins as a command line does, and not as a sentence that goes
// on after mailpub's name.
func isCommand(text string) bool {
	first, _, _ := strings.Cut(text, " ")
	if strings.HasPrefix(first, "-") {
		return true
	}

	for _, c := range rootCommand(newApp(nil, io.Discard, io.Discard)).Commands() {
		if c.Name() == first {
			return true
		}
	}

	return slices.Contains([]string{"help", "completion"}, first)
}

// shellWords splits a line as a shell does, as far as the docs need: quotes and spaces.
func shellWords(s string) (words []string) {
	var word strings.Builder
	quote := rune(0)
	open := false

	for _, c := range s {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == ' ' || c == '\t':
			if word.Len() > 0 || open {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteRune(c)
		}
	}

	if word.Len() > 0 || open {
		words = append(words, word.String())
	}

	return words
}

// parses is what mailpub makes of its arguments before it does anything.
func parses(words []string) error {
	root := rootCommand(newApp(nil, io.Discard, io.Discard))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("bash")

	if i := slices.Index([]string{"help COMMAND", "completion SHELL"},
		strings.Join(words, " ")); i >= 0 {
		return nil // of any
	}

	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}

	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil && err != pflag.ErrHelp {
		return err
	}

	if cmd.Name() == "help" {
		topic, _, err := root.Find(cmd.Flags().Args())
		if err == nil && topic == root && len(cmd.Flags().Args()) > 0 {
			err = cobra.OnlyValidArgs(&cobra.Command{}, nil)
		}
		return err
	}

	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}

	return namesKnown(cmd)
}

// namesKnown sees that the checks, fields and providers that a command line names are there.
func namesKnown(cmd *cobra.Command) error {
	placeholder := func(word string) bool { return word == strings.ToUpper(word) }
	arg, _, _ := strings.Cut(cmd.Flags().Arg(0), " ")
	if placeholder(arg) {
		arg = ""
	}

	silent := newApp(nil, io.Discard, io.Discard)
	switch cmd.Name() {
	case "verify":
		only, err := cmd.Flags().GetStringSlice("only")
		for _, word := range only {
			if !placeholder(word) {
				err = cmp.Or(err, knownCheck("--only", word, selectable()...))
			}
		}

		if id, _ := cmd.Flags().GetString("explain"); err == nil && !placeholder(id) {
			err = knownCheck("--explain", id)
		}

		return err
	case "explain":
		if catalog.Area(arg) == "" && arg != "" {
			return explainField(silent.ui, arg)
		}
	case "providers":
		if arg != "" {
			return config.OneOf(arg, setup.ProviderNames())
		}
	}

	return nil
}

// A test of the test: what it must find and what it must refuse.
func TestDocsTest(t *testing.T) {
	for line, want := range map[string]string{
		"    export A=1; sudo mailpub -c x.yaml plan -o p.json && mailpub apply p.json": "-c x.yaml plan -o p.json|apply p.json",
		"$ mailpub router --nft >/etc/nftables.d/mailpub.nft":                           "router --nft",
		"ExecStart=/usr/bin/mailpub -c /etc/mailpub/mailpub.yaml drift":                 "-c /etc/mailpub/mailpub.yaml drift",
		"      - run: ./mailpub verify --junit report.xml | tee log":                    "verify --junit report.xml",
		"mailpub plan     what would change":                                            "plan",
		"mailpub shows what differs":                                                    "",
	} {
		var got []string
		for _, words := range commandLines(line, true) {
			got = append(got, strings.Join(words, " "))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}

	for line, good := range map[string]bool{
		"plan": true, "plan extra": false, "apply p.json --yes": true,
		"verify --onyl dns": false, "router heal smtp": true, "router": true,
		"help config": true, "explain a b": false,
		"verify --only mxs": false, "verify --only dns,host.ptr": true,
		"explain router.leese": false, "providers cloudfare": false,
	} {
		if err := parses(shellWords(line)); (err == nil) != good {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestDocsConfigs reads every piece of a config in the docs: its fields are there, and a whole one
// loads.
func TestDocsConfigs(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	found := 0
	for path, text := range pages(t) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			var fields map[string]any
			if err := yaml.Unmarshal([]byte(m[1]), &fields); err != nil {
				t.Errorf("%s: %v\n%s", path, err, m[1])
				continue
			}

			if fields["apiVersion"] != nil || fields["jobs"] != nil ||
				fields["services"] != nil { // Kubernetes, GitHub, Compose
				continue
			}

			found++
			knownFields(t, path, "", fields)
			if fields["site"] != nil {
				if _, err := config.Parse("mailpub.yaml", []byte(m[1])); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			}
		}
	}

	if found < 7 {
		t.Errorf("only %d pieces of configs were found", found)
	}
}

func knownFields(t *testing.T, page, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, below := range v {
			at := strings.TrimPrefix(path+"."+name, ".")
			if !strings.Contains(at, ".settings.") &&
				!slices.Contains(config.FieldPaths(), at) {
				t.Errorf("%s: there is no field %s", page, at)
			}
			knownFields(t, page, at, below)
		}
	case []any:
		for _, e := range v {
			knownFields(t, page, path, e)
		}
	}
}

// TestDocsLinks follows every link between the pages.
func TestDocsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#: ]+)(?:#[^)]*)?\)`)
	for path, text := range pages(t) {
		if !strings.HasSuffix(path, ".md") {
			continue
		}

		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join("../..", filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: nothing is at %s", path, m[1])
			}
		}
	}
}

// imperatives are the verbs that a command's short text begins with.
var imperatives = strings.Fields("Apply Approve Authorize Check Detect Explain Format Generate Give Ignore Install Learn List Make Manage Monitor Move Pause Print Recreate Remove Rename Report Run Serve Set Show Stop Test Update Verify Withdraw Write")

// Every short text is an imperative with its object, in one style.
func TestShortTexts(t *testing.T) {
	var look func(*cobra.Command)
	look = func(c *cobra.Command) {
		first, _, _ := strings.Cut(c.Short, " ")
		if !slices.Contains(imperatives, first) || strings.HasSuffix(c.Short, ".") ||
			len(c.Short) > 80 {
			t.Errorf("%s: %q is no imperative of at most 80 characters without a full stop",
				c.CommandPath(), c.Short)
		}

		for _, below := range c.Commands() {
			look(below)
		}
	}

	look(rootCommand(newApp(nil, io.Discard, io.Discard)))
}

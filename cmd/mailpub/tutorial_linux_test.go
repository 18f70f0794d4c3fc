package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
)

// step is a command of a page, and what the page says that it prints.
type step struct {
	command string
	prints  []string
}

// steps are the commands of a page's console blocks, in their order.
func steps(page string) (all []step) {
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimRight(line, "\n")
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				all = append(all, step{command: command})
			} else if line != "" {
				last := &all[len(all)-1]
				last.prints = append(last.prints, line)
			}
		}
	}

	return all
}

// TestLabTutorial types the tutorial into a shell, in a lab of its own: each command prints what
// the page says; "..." stands for any lines.
func TestLabTutorial(t *testing.T) {
	page, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}

	s := newSiteInLab(t, lab.Options{})
	top, err := filepath.Abs("../..")
	if err == nil {
		err = os.Remove(filepath.Join(s.dir, "mailpub.yaml"))
	}

	if err == nil {
		err = os.Symlink(filepath.Join(top, "examples"), filepath.Join(s.dir, "examples"))
	}

	if err != nil {
		t.Fatal(err)
	}

	all := steps(string(page))
	// The lab is up already, and is taken down by the test; so is what is installed (TestLabTutorialOnBareDebian).
	script := "sudo() { [ \"$1\" != -E ] || shift; case \"$*\" in *lab.sh\\ up | *lab.sh\\ down | apt-get* | install*) ;; *) \"$@\" ;; esac; }\n" +
		"go() { :; }\n"
	for i, st := range all {
		script += fmt.Sprintf("%s\necho \"=== %d $?\"\n", st.command, i)
		if strings.HasSuffix(st.command, "&") {
			script += "until on lan socat -u OPEN:/dev/null TCP:10.10.10.10:25 2>/dev/null; do sleep 0.1; done\n" // a person types slower
		}
	}

	script += "kill %1 && wait\n"
	cmd := s.command(t.Context(), "lan", "true")
	cmd.Path = "/bin/bash"
	cmd.Args = []string{"bash", "-c", script}
	cmd.Env = append(cmd.Env, "LAB="+s.lab.Name, "PATH="+s.dir+":"+os.Getenv("PATH"))
	out, _ := cmd.CombinedOutput() // the codes are in it

	judgeTyped(t, string(out), all)
	if t.Failed() {
		t.Logf("all of it:\n%s", out)
	}
}

// saysSo reports whether text is what a page says: line by line, "..." standing for any lines, and
// for any rest of a line.
func saysSo(text string, page []string) bool {
	var pattern strings.Builder
	for _, line := range page {
		if line == "..." {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}

		line, open := strings.CutSuffix(line, "...")
		pattern.WriteString(regexp.QuoteMeta(line))
		if open {
			pattern.WriteString(".*")
		}

		pattern.WriteString("\n")
	}

	return regexp.MustCompile(`^` + pattern.String() + `$`).MatchString(text)
}

func TestSaysSo(t *testing.T) {
	for _, c := range []struct {
		text, page string
		want       bool
	}{
		{"a\nb\nc\n", "a\n...\nc", true}, {"a\nc\n", "a\n...\nc", true},
		{"a\nb\nc\n", "a\nc", false},
		{"done: 3\n", "done: ...", true}, {"one\n", "", false}, {"", "...", true},
		{"a.b\n", "axb", false},
	} {
		var page []string
		if c.page != "" {
			page = strings.Split(c.page, "\n")
		}
		if saysSo(c.text, page) != c.want {
			t.Errorf("%q, %q: want %v", c.text, c.page, c.want)
		}
	}
}

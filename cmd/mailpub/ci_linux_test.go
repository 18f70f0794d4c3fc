package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mailpub/mailpub/cmd/mailpub/demo"
)

const ciDir = "../../examples/ci"

// TestCI runs every shell line of the templates for CI, in the order of a job, with mailpub itself and with
// stand-ins of go, gh and curl: on a site that is not set up, on one whose config is wrong.
func TestCI(t *testing.T) {
	internet, err := demo.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	defer internet.Close()

	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	for name, text := range map[string]string{
		"go":   "#!/bin/sh\ntest \"$*\" = 'install github.com/mailpub/mailpub/cmd/mailpub@latest'\n",
		"gh":   "#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\ncp \"$1\" posted\n",
		"curl": "#!/bin/sh\nwhile [ $# -gt 0 ]; do case \"$1\" in body@*) cp \"${1#body@}\" posted ;; esac; shift; done\n",
	} {
		writeFile(t, filepath.Join(bin, name), text, 0o755)
	}

	if _, err := exec.LookPath("mailpub"); err != nil { // testscript puts it onto the PATH of its scripts alone
		self := filepath.Join(bin, "mailpub")
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", self,
			".").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}

	for _, name := range []string{"plan.sh", "drift.sh"} {
		data, err := os.ReadFile(filepath.Join(ciDir, name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "ci", name), string(data), 0o644)
	}

	env := append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"),
		demo.KeyVariable+"="+internet.Key, "MAILPUB_PUBLIC=2.2.2.2", "PR=7", "NO_COLOR=1")

	right := internet.Config()
	wrong := strings.Replace(internet.Config(), "address: 127.0.0.1", "address: 127.0.0", 1)
	for _, test := range []struct {
		file, job, config string
		code              int
		posted, written   string
	}{
		{"github.yml", "plan", right, 0, "<!-- mailpub plan -->\n## mailpub plan: nomeazienda", "mailpub.sarif"},
		{"gitlab.yml", "mailpub-plan", right, 0, "to add", "mailpub.sarif"},
		{"github.yml", "plan", wrong, 1, "server.address", "mailpub.sarif"},
		{"github.yml", "drift", right, 2, "", "drift.xml"},
		{"gitlab.yml", "mailpub-drift", right, 2, "", "checks.xml"},
		{"gitlab.yml", "mailpub-drift", wrong, 1, "", "drift.xml"},
	} {
		t.Run(test.file+" "+test.job, func(t *testing.T) {
			for _, name := range []string{"posted", "comment.md", "mailpub.sarif", "drift.xml",
				"checks.xml"} {
				os.Remove(filepath.Join(dir, name))
			}

			writeFile(t, filepath.Join(dir, "mailpub.yaml"), test.config, 0o600)
			code := 0
			for _, line := range ciLines(t, test.file, test.job) {
				if code == 0 || line.always {
					code = max(code, runLine(t.Context(), t, dir, env, line.text))
				}
			}

			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}

			if info, err := os.Stat(filepath.Join(dir, test.written)); err != nil ||
				info.Size() == 0 {
				t.Errorf("%s: %v", test.written, err)
			}

			posted, err := os.ReadFile(filepath.Join(dir, "posted"))
			if test.posted != "" && (err != nil ||
				!strings.Contains(string(posted), test.posted)) {
				t.Errorf("posted %q, %v; want %q", posted, err, test.posted)
			}
		})
	}
}

func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), mode)
	}

	if err != nil {
		t.Fatal(err)
	}
}

func runLine(ctx context.Context, t *testing.T, dir string, env []string, line string) int {
	t.Helper()
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", line)
	cmd.Dir = dir
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("%s: %v\n%s", line, err, out)
	}

	return cmd.ProcessState.ExitCode()
}

// ciLine is a shell line of a job.
type ciLine struct {
	text   string
	always bool // also after one that failed
}

// ciLines returns the shell lines of a job of a template.
func ciLines(t *testing.T, file, job string) (lines []ciLine) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(ciDir, file))
	if err != nil {
		t.Fatal(err)
	}

	var gitlab map[string]struct {
		Before []string `yaml:"before_script"`
		Script []string `yaml:"script"`
		After  []string `yaml:"after_script"`
	}

	var github struct {
		Jobs map[string]struct {
			Steps []struct {
				If  string `yaml:"if"`
				Run string `yaml:"run"`
			} `yaml:"steps"`
		} `yaml:"jobs"`
	}

	if file == "gitlab.yml" {
		if err := yaml.Unmarshal(data, &gitlab); err != nil {
			t.Fatal(err)
		}

		for _, text := range slices.Concat(gitlab[job].Before, gitlab[job].Script) {
			lines = append(lines, ciLine{text, false})
		}

		for _, text := range gitlab[job].After {
			lines = append(lines, ciLine{text, true})
		}
	} else {
		if err := yaml.Unmarshal(data, &github); err != nil {
			t.Fatal(err)
		}

		for _, step := range github.Jobs[job].Steps {
			if step.Run != "" {
				lines = append(lines, ciLine{step.Run, step.If == "always()"})
			}
		}
	}

	if len(lines) < 2 {
		t.Fatalf("%s has no job %s with shell lines", file, job)
	}

	return lines
}

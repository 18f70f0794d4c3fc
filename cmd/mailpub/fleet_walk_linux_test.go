package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/pgtest"
	"github.com/mailpub/mailpub/providers/servertest"
)

const walkKey = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="

// TestLabFleetWalk types docs/fleet.md into a shell, with fifty sites at a BIND and a PostgreSQL of its own: each command
// prints what the page says.
func TestLabFleetWalk(t *testing.T) {
	page, err := os.ReadFile("../../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "mailpub"), ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	bind := fiftySites(t, filepath.Join(dir, "sites"))
	_, port, err := net.SplitHostPort(bind)
	if err != nil {
		t.Fatal(err)
	}

	all := steps(string(page))
	served := fmt.Sprint(servertest.FreePort(t))
	script := "set -m\n"
	for i, st := range all {
		script += fmt.Sprintf("%s\necho \"=== %d $?\"\n", strings.ReplaceAll(st.command, "8026", served), i)
		if strings.HasSuffix(st.command, "&") {
			script += "sleep 3\n" // a person types slower
		}
	}

	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "PORT="+port, "KEY=hmac-sha256:mailpub.:"+walkKey,
		"WALK_KEY="+walkKey, "MAILPUB_DATABASE="+pgtest.New(t).URL("postgres"))
	cmd.WaitDelay = 20 * time.Second
	out, _ := cmd.CombinedOutput() // the codes are in it
	compareWalk(t, string(out), all)

	if t.Failed() {
		for _, name := range []string{"work1.log", "work2.log", "serve.log", "once.log"} {
			log, _ := os.ReadFile(filepath.Join(dir, name))
			t.Logf("%s:\n%s", name, log[:min(len(log), 4000)])
		}
	}
}

// jobNotice is what the shell says of a job that has ended.
var jobNotice = regexp.MustCompile(`(?m)^(\[\d+\][-+]? .*|bash: line .*)\n+`)

// compareWalk compares what each command printed with what the page says. One command of it is to be refused: apply before
// the approval.
func compareWalk(t *testing.T, out string, all []step) {
	t.Helper()
	applies := 0
	for i, printed := range strings.Split(out, "=== ")[:len(all)] {
		if i > 0 {
			_, printed, _ = strings.Cut(printed, "\n")
		}
		printed = jobNotice.ReplaceAllString(printed, "")
		if !saysSo(printed, all[i].prints) {
			t.Errorf("%s\nprints\n%s\nthe page has\n%s", all[i].command, printed, strings.Join(all[i].prints, "\n"))
		}

		code := exitOK
		switch {
		case strings.Contains(all[i].command, "fleet apply"):
			if applies++; applies == 1 {
				code = exitFailed
			}
		case strings.Contains(all[i].command, "--once"):
			code = exitDiffer // the other sites' records were never applied
		case strings.Contains(all[i].command, "--look"), strings.Contains(all[i].command, "fleet status"):
			continue // as well as the site is
		}

		if !strings.Contains(out, fmt.Sprintf("=== %d %d\n", i, code)) {
			t.Errorf("%s: want exit code %d", all[i].command, code)
		}
	}

	if t.Failed() {
		t.Logf("all of it:\n%s", out)
	}
}

// fiftySites starts a BIND with fifty zones, a mail server, and writes the site files.
func fiftySites(t *testing.T, dir string) (bind string) {
	t.Helper()
	zones := map[string]string{}
	for i := range 50 {
		zones[fmt.Sprintf("z%d.example", i)] = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
	}

	bind = servertest.BIND{Zones: zones, Secret: walkKey, Transfer: `key "mailpub.";`}.Start(t)
	smtp := mailHost(t, "mail.z7.example")
	for i := range 50 {
		servertest.Write(t, filepath.Join(dir, fmt.Sprintf("s%d.yaml", i)), fmt.Sprintf(`site: s%[1]d
server: {hostname: mail.z%[1]d.example, address: 127.0.0.1, public: {ipv4: 2.2.2.2}}
domains: [{name: z%[1]d.example}]
zones:
  - name: z%[1]d.example
    provider: rfc2136
    nameservers: ["%[2]s"]
    settings: {server: "%[2]s", key_name: mailpub., key: "env:WALK_KEY"}
router: {protocol: none, forwards: [{name: smtp, port: 25, internal: %[3]d}]}
service: {type: manual}
verify: {resolvers: ["%[2]s"]}
watch: {every: 1h, repair: [dns]}
`, i, bind, smtp))
	}

	return bind
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bareDebian is where .ci/setup keeps a Debian with no more than what the tutorial installs.
const bareDebian = "/var/cache/mailpub-tests/bare-debian"

// enterBare makes a container of a bare Debian, and runs a script in it as a person with sudo. The container has
// namespaces of its own, and no link to any network.
const enterBare = `set -eu
root=$1 work=$2 top=$3
hostname bare
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" "$work/root"
cd "$work/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
ip link set lo up
echo 127.0.0.1 localhost bare >etc/hosts
chroot . useradd -m -s /bin/bash -G sudo mario
echo 'mario ALL=(ALL) NOPASSWD: ALL' >etc/sudoers.d/mario
mkdir home/mario/mailpub
cp -r "$top/examples" "$top/docs" home/mario/mailpub/
cp "$work.mailpub" opt/mailpub
cp "$work.go" usr/local/bin/go
cp "$work.script" home/mario/script
chmod 755 opt/mailpub usr/local/bin/go
chroot . chown -R mario: /home/mario
chroot . su - mario -c 'cd mailpub && bash ../script'
exit $? # a command behind it: this bash stays, and waits for programs whose parent ends
`

// fakeGo builds mailpub by copying the one that is tested, as no Go is in the container.
const fakeGo = `#!/bin/sh
case "$*" in
"build -o mailpub ./cmd/mailpub") cp /opt/mailpub mailpub ;;
"run ./cmd/mailpub "*) shift 2; exec /opt/mailpub "$@" ;;
*) echo "go $*: not known here" >&2; exit 1 ;;
esac
`

// TestLabTutorialOnBareDebian types the tutorial and the README's demo literally into the shell of a person with
// sudo, on a Debian that has what they install and nothing else: with Debian's PATH, and sudo's.
func TestLabTutorialOnBareDebian(t *testing.T) {
	if _, err := os.Stat(bareDebian + "/etc/mailpub-packages"); err != nil || os.Getuid() != 0 {
		if os.Getenv("MAILPUB_LAB") == "require" {
			t.Fatalf("no bare Debian here (.ci/setup makes it): %v", err)
		}
		t.Skip("left out: needs root and the Debian that .ci/setup makes")
	}

	t.Parallel()
	page, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}

	all := append([]step{{command: "go run ./cmd/mailpub demo >demo.log"}}, steps(string(page))...)
	script := ""
	for i, st := range all {
		script += fmt.Sprintf("%s\necho \"=== %d $?\"\n", st.command, i)
		if strings.HasSuffix(st.command, "&") {
			script += "sleep 1\n" // a person types slower
		}
	}

	script += "kill %1 2>/dev/null; wait\n"
	work := filepath.Join(t.TempDir(), "bare")
	top, err := filepath.Abs("../..")
	if err == nil {
		err = os.Mkdir(work, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}

	build := exec.CommandContext(t.Context(), "go", "build", "-o", work+".mailpub", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	put(t, work+".script", script)
	put(t, work+".go", fakeGo)
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--uts", "--ipc",
		"--propagation", "private", "bash", "-c", enterBare, "bash", bareDebian, work, top)

	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb"}
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if n := strings.Count(string(out), "=== "); n != len(all) {
		t.Fatalf("%v: %d of %d commands were typed:\n%s", err, n, len(all), out)
	}

	judgeTyped(t, string(out), all)
}

// judgeTyped compares what commands printed with what the page says, and their codes: only the first drift finds
// something.
func judgeTyped(t *testing.T, out string, all []step) {
	t.Helper()
	drifts := 0
	for i, printed := range strings.Split(out, "=== ")[:len(all)] {
		if i > 0 {
			_, printed, _ = strings.Cut(printed, "\n")
		}

		if !saysSo(printed, all[i].prints) {
			t.Errorf("%s\nprints\n%s\nthe page has\n%s", all[i].command, printed, strings.Join(all[i].prints, "\n"))
		}

		code := exitOK
		if strings.HasSuffix(all[i].command, " drift") {
			if drifts++; drifts == 1 {
				code = exitDiffer
			}
		}
		has(t, out, fmt.Sprintf("=== %d %d\n", i, code))
	}
}

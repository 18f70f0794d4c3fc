package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan/egress"
)

// Exec returns a channel that runs a program in dir, with a notice as JSON on its standard input
// and in short in its environment: MAILPUB_SITE, MAILPUB_KIND and MAILPUB_TITLE. Of mailpub's own
// environment, which may hold secrets, it gets no more than what most programs need.
func Exec(dir string, command ...string) watch.Channel {
	return watch.Channel{Name: "exec " + command[0],
		Send: func(ctx context.Context, n watch.Notice) error {
			if err := egress.Refuse(ctx, "a program for notices"); err != nil {
				return err
			}

			body, err := json.Marshal(n)
			if err != nil {
				return err
			}

			cmd := exec.CommandContext(ctx, command[0], command[1:]...)
			cmd.Dir = dir
			cmd.Stdin = bytes.NewReader(append(body, '\n'))
			cmd.WaitDelay = 2 * time.Second
			cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
				name, _, _ := strings.Cut(v, "=")
				return !slices.Contains([]string{"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ",
					"TMPDIR", "SYSTEMROOT", "WINDIR", "PATHEXT", "COMSPEC", "TEMP"},
					strings.ToUpper(name))
			}), "MAILPUB_SITE="+n.Site, "MAILPUB_KIND="+string(n.Kind),
				"MAILPUB_TITLE="+n.Title)

			printed := &tail{}
			cmd.Stdout = printed
			cmd.Stderr = printed
			err = cmd.Run()

			switch {
			case errors.Is(err, exec.ErrWaitDelay): // it ended well, a child of it did not
				return nil
			case ctx.Err() != nil:
				return errors.New("it did not end in time")
			case err != nil:
				return fmt.Errorf("%w: %s", err, printed.lastLine())
			}

			return nil
		}}
}

// tail keeps the end of what a program prints.
type tail struct{ end []byte }

// maxTail is how much a tail keeps, in octets.
const maxTail = 4 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	kept := append(t.end, p[max(0, len(p)-maxTail):]...)
	t.end = slices.Clone(kept[max(0, len(kept)-maxTail):])
	return len(p), nil
}

// lastLine is the last line with text, cut to what an error may show.
func (t *tail) lastLine() string {
	last := strings.TrimSpace(string(t.end))
	last = last[strings.LastIndexByte(last, '\n')+1:]
	return last[:min(len(last), 200)]
}

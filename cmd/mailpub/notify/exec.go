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
)

// Exec returns a channel that runs a program in dir, with a notice as JSON on its standard input
// and in short in its environment: MAILPUB_SITE, MAILPUB_KIND and MAILPUB_TITLE. Of mailpub's own
// environment, which may hold secrets, it gets no more than what most programs need.
func Exec(dir string, command ...string) watch.Channel {
	return watch.Channel{
		Name: "exec " + command[0],
		Send: func(ctx context.Context, n watch.Notice) error {
			body, err := json.Marshal(n)
			if err != nil {
				return err
			}

			cmd := exec.CommandContext(ctx, command[0], command[1:]...)
			cmd.Dir, cmd.Stdin, cmd.WaitDelay = dir, bytes.NewReader(append(body,
				'\n')), 2*time.Second

			cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
				name, _, _ := strings.Cut(v, "=")
				return !slices.Contains([]string{"PATH", "HOME", "USER", "LANG", "LC_ALL",
					"TZ", "TMPDIR", "SYSTEMROOT", "WINDIR", "PATHEXT", "COMSPEC", "TEMP"},
					strings.ToUpper(name))
			}), "MAILPUB_SITE="+n.Site, "MAILPUB_KIND="+string(n.Kind),
				"MAILPUB_TITLE="+n.Title)

			said, err := cmd.CombinedOutput()
			if ctx.Err() != nil {
				return errors.New("it did not end in time")
			}

			if err != nil {
				last := strings.TrimSpace(string(said))
				if i := strings.LastIndexByte(last, '\n'); i >= 0 {
					last = last[i+1:]
				}
				return fmt.Errorf("%w: %s", err, last[:min(len(last), 200)])
			}

			return nil
		},
	}
}

package term

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
)

// printMissing says of a config that is right which secrets are missing, and how to give them.
func printMissing(u *UI, missing config.Errors) {
	fmt.Fprintf(u.Err, "mailpub: cannot read %s that %s names; nothing was changed\n",
		Count(len(missing), "secret"), u.ConfigFile)

	style := StyleOf(u.Err, true)
	for i, step := range secretSteps(u, missing) {
		lead := "  next: "
		if i > 0 {
			lead = "        "
		}
		fmt.Fprintln(u.Err, style.hang(lead+step, len(lead)))
	}
}

// secretSteps are the commands that give missing secrets, one for each.
func secretSteps(u *UI, missing config.Errors) (steps []string) {
	zonesOnly := true
	for _, m := range missing {
		if step := secretStep(m.Reference); !slices.Contains(steps, step) {
			steps = append(steps, step)
		}
		zonesOnly = zonesOnly && strings.HasPrefix(m.Field, "zones[")
	}

	if zonesOnly {
		steps = append(steps, "without it: mailpub"+u.ConfigFlag()+" plan --exclude dns")
	}

	return steps
}

// secretStep says how to give the secret of a reference.
func secretStep(reference string) string {
	kind, what, _ := strings.Cut(reference, ":")
	switch kind {
	case "env":
		if runtime.GOOS == "windows" {
			return `$env:` + what + ` = "..."`
		}
		return "export " + what + "=..."
	case "file":
		return "write the secret into " + what
	case "credential":
		return "install -m 600 /dev/stdin " + config.SystemCredentials + "/" + what +
			", and mailpub --system"
	}

	return "run the command by itself: " + what
}

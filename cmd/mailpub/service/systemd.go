//go:build linux

package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/cmd/mailpub/unit"
	"github.com/mailpub/mailpub/plan/durable"
)

// unitDir is where an administrator's units are (systemd.unit(5)).
const unitDir = "/etc/systemd/system"

// Install installs and starts the service.
func Install(ctx context.Context, u *term.UI, o unit.Options, f Options) error {
	files, starts, err := units(o, f)
	if err != nil {
		return err
	}

	if f.Print {
		printUnits(u, unitDir, files)
		return nil
	}

	if err := hasSystemd(); err != nil {
		return err
	}

	for _, file := range files {
		if err := durable.ReplaceShared(filepath.Join(unitDir, file.Name), []byte(file.Text),
			0o644); err != nil {
			return fmt.Errorf("unit %s: %w", file.Name, err)
		}
	}

	if _, err := systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}

	for _, start := range starts {
		if _, err := systemctl(ctx, "enable", start); err != nil {
			return err
		}
		if _, err := systemctl(ctx, "restart", start); err != nil {
			return fmt.Errorf("%w; journalctl -u %s says why", err, start)
		}

		printStarted(u, start, "See what it does with: journalctl -f -u "+
			strings.TrimSuffix(start, ".timer"))
	}

	return nil
}

// units are those to install, and those to start.
func units(o unit.Options, f Options) (files []unit.File, starts []string, err error) {
	add := func(file unit.File, e error) {
		files = append(files, file)
		starts = append(starts, file.Name)
		err = errors.Join(err, e)
	}

	if f.Receive {
		add(unit.Receive(o))
	}

	if !f.Timer {
		add(unit.Watch(o))
		return files, starts, err
	}

	drift, e := unit.Drift(o)
	if e != nil {
		return nil, nil, e
	}

	return append(files, drift...), append(starts, drift[len(drift)-1].Name), err
}

// Remove stops the service and removes all its units.
func Remove(ctx context.Context, u *term.UI, f Options) error {
	if err := hasSystemd(); err != nil {
		return err
	}

	removed := 0
	for _, name := range []string{f.Name + ".service", f.Name + "-drift.timer",
		f.Name + "-drift.service", f.Name + "-receive.service"} {
		path := filepath.Join(unitDir, name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := systemctl(ctx, "disable", "--now", name); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}

		_, _ = systemctl(ctx, "reset-failed", name) // else what failed is listed for ever; most did not
		removed++
	}

	if removed == 0 {
		return foreignServiceError(ctx, f.Name)
	}
	if _, err := systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}

	fmt.Fprintf(u.Out, "%s %s is stopped and removed; the records and forwards stay in place.\n",
		u.Green("Done:"), f.Name)

	return nil
}

// foreignServiceError is the error of removing a service that mailpub did not install.
func foreignServiceError(ctx context.Context, name string) error {
	out, err := systemctl(ctx, "show", "--property=FragmentPath", "--value", name+".service")
	if path := strings.TrimSpace(out); err == nil && path != "" {
		return fmt.Errorf("%s: mailpub did not install it: it is %s, of a package; systemctl disable --now %[1]s stops it",
			name, path)
	}
	return fmt.Errorf("%s: %w", name, errNoService)
}

// Status prints whether the service runs, and returns it.
func Status(ctx context.Context, u *term.UI, f Options) (runs bool, err error) {
	if err := hasSystemd(); err != nil {
		return false, err
	}

	installed := false
	for _, name := range []string{f.Name + ".service", f.Name + "-drift.timer"} {
		out, err := systemctl(ctx, "show", "--property=LoadState,ActiveState,SubState,StatusText", name)
		if err != nil {
			return false, err
		}

		is := map[string]string{}
		for line := range strings.Lines(out) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			is[key] = value
		}

		if is["LoadState"] == "not-found" {
			continue
		}

		installed = true
		runs = runs || is["ActiveState"] == "active"
		fmt.Fprintf(u.Out, "%s: %s (%s)", name, is["ActiveState"], is["SubState"])

		if is["StatusText"] != "" && is["ActiveState"] == "active" { // else it is what it said last
			fmt.Fprintf(u.Out, ": %s", term.Clean(is["StatusText"]))
		}

		fmt.Fprintln(u.Out)
	}

	if !installed {
		return false, fmt.Errorf("%s: %w", f.Name, errNoService)
	}

	return runs, nil
}

// hasSystemd fails where the system was not started by systemd (sd_booted(3)).
func hasSystemd() error {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return errors.New("systemd does not run this system: install with --print shows the unit; have your system run \"mailpub watch\" in its own way")
	}
	return nil
}

func systemctl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "systemctl", append([]string{"--no-pager"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err,
			strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

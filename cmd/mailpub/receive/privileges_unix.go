//go:build !windows

package receive

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mailpub/mailpub/plan/durable"
)

// account is a user of the system.
type account struct {
	name     string
	uid, gid int
	groups   []int
}

func lookupAccount(name string) (*account, error) {
	u, err := user.Lookup(name)
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		return nil, fmt.Errorf("service.user: user %q does not exist (create it: adduser --system --group %[1]s)", name)
	}
	if err != nil {
		return nil, fmt.Errorf("service.user %q: %w", name, err)
	}

	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("service.user %q: %w", name, err)
	}

	a := &account{name: name}
	for _, id := range ids {
		gid, err := strconv.Atoi(id)
		if err != nil {
			return nil, fmt.Errorf("service.user %q: group %q: %w", name, id, err)
		}
		a.groups = append(a.groups, gid)
	}

	uid, err := strconv.Atoi(u.Uid)
	gid, bad := strconv.Atoi(u.Gid)
	if err := errors.Join(err, bad); err != nil {
		return nil, fmt.Errorf("service.user %q: %w", name, err)
	}

	a.uid = uid
	a.gid = gid
	return a, nil
}

// become gives up what root may, for good: groups first, since only root may change them. Where mailpub does
// not run as root there is nothing to give up: it goes on as the account that started it, such as
// the one of the package's unit.
func (a *account) become() error {
	if os.Geteuid() != 0 {
		if is, err := user.Current(); err == nil {
			a.name = is.Username
		}
		return nil
	}

	if err := syscall.Setgroups(a.groups); err != nil {
		return fmt.Errorf("service.user %q: setgroups: %w", a.name, err)
	}
	if err := syscall.Setgid(a.gid); err != nil {
		return fmt.Errorf("service.user %q: setgid: %w", a.name, err)
	}
	if err := syscall.Setuid(a.uid); err != nil {
		return fmt.Errorf("service.user %q: setuid: %w", a.name, err)
	}
	if a.uid != 0 && syscall.Setuid(0) == nil {
		return fmt.Errorf("service.user %q: root privileges could be regained", a.name)
	}

	return nil
}

// makeDir makes a directory that is not there yet, as the account's own.
func (a *account) makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil || os.Geteuid() != 0 {
		return nil
	}

	err := durable.MakePrivate(dir)
	if err == nil {
		err = durable.Give(dir, a.uid, a.gid)
	}

	if err != nil {
		return fmt.Errorf("service.user %q: %w", a.name, err)
	}

	return nil
}

// canRead says what to do where the process can't read a file that is there.
func (a *account) canRead(path string) error {
	if path == "" {
		return nil
	}

	f, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("service.user: %s cannot read %s: chown %[1]s %[2]s, and grant it access to %s",
			a.name, path, filepath.Dir(path))
	}

	if err == nil {
		f.Close()
	}

	return nil
}

// canWrite says what to do where the process can't write in a directory, or in one of those below it
// that deep, where it is there.
func (a *account) canWrite(dir string, deep int) error {
	err := unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("service.user: %s cannot write to %s (%w): chown -R %[1]s %[2]s",
			a.name, dir, err)
	}
	if deep == 0 || err != nil {
		return nil
	}

	inside, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("service.user: %w", err)
	}

	for _, e := range inside {
		if e.IsDir() && !strings.HasPrefix(e.Name(), "lost+found") {
			if err := a.canWrite(filepath.Join(dir, e.Name()), deep-1); err != nil {
				return err
			}
		}
	}

	return nil
}

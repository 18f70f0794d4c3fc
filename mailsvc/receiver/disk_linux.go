package receiver

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func (osDisk) groups() bool { return true }

func (osDisk) boot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

func (f osFile) device() (uint64, error) {
	var s syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &s); err != nil {
		return 0, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return uint64(s.Dev), nil
}

func (osDisk) lock(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}

	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}

	return osFile{f}, nil
}

func (osDisk) syncAll(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}

	defer d.Close()

	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return &os.PathError{Op: "syncfs", Path: path, Err: err}
	}

	return nil
}

// linuxPreallocatedFile is synced without a journal commit, as neither its size nor its blocks change.
type linuxPreallocatedFile struct{ *os.File }

func (a linuxPreallocatedFile) Sync() error {
	if err := syscall.Fdatasync(int(a.Fd())); err != nil {
		return &os.PathError{Op: "fdatasync", Path: a.Name(), Err: err}
	}
	return nil
}

func (osDisk) reserve(path string, n int64) (preallocatedFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}

	zeros := make([]byte, 64<<10)
	for at := int64(0); at < n && err == nil; at += int64(len(zeros)) {
		_, err = f.Write(zeros[:min(n-at, int64(len(zeros)))])
	}

	if err == nil {
		err = f.Sync()
	}

	if err != nil {
		f.Close()
		os.Remove(path)
		return nil, err
	}

	return linuxPreallocatedFile{f}, nil
}

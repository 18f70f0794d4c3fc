package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// SyncDir does nothing: on Windows a directory can't be synced, and NTFS journals
// the rename.
func SyncDir(string) error { return nil }

// NoFollow is no flag here: making links needs a privilege on Windows.
const NoFollow = 0

// isBusy is never so: nothing is mounted on a file on Windows.
func isBusy(error) bool { return false }

// isForGroup is never so: rights come from the directory.
func isForGroup(fs.FileInfo) bool { return false }

func handsGroupOn(fs.FileInfo) bool { return false }

// keepOwner does nothing: a new file takes its owner and rights from its directory.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

func inherit(string) error { return nil }

func (f folder) checkTrusted(string, fs.FileInfo) error { return nil }

// patience is how long another process may keep a file open that is to be replaced.
const patience = 2 * time.Second

// sharingViolation is ERROR_SHARING_VIOLATION (winerror.h).
const sharingViolation = syscall.Errno(32)

// rename is os.Rename that waits for readers: a file that somebody has open, mailpub itself, a
// virus scanner or a backup, can't be replaced on Windows before that one closes it.
func rename(from, to string) error {
	return retrySharing(func() error { return os.Rename(from, to) })
}

// Read is os.ReadFile for what Replace writes: while a file is being replaced, opening it may fail
// for a moment.
func Read(path string) (data []byte, err error) {
	err = retrySharing(func() error {
		data, err = read(path)
		return err
	})
	return data, err
}

func retrySharing(do func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := do()
		if err == nil || time.Now().After(end) || !errors.Is(err, sharingViolation) && !errors.Is(err, syscall.ERROR_ACCESS_DENIED) {
			return err
		}
	}
}

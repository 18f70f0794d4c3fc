// Package durable writes files so that a crash leaves the old text or the new one, never
// half of either. It knows nothing of what is in them.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace puts data in the place of a file, readable by its owner alone: a temporary
// file beside it, fsync, rename, fsync of the directory. When it returns without an
// error the new text is on disk; when it fails the old file is as it was, and nothing
// is left beside it.
func Replace(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return err
	}
	return SyncDir(filepath.Dir(path))
}

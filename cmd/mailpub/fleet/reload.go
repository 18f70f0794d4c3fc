package fleet

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// fileWatch tells of files that may have become other ones. It looks at the directories around them, as
// editors put a new file in the place of the old.
type fileWatch struct {
	watcher *fsnotify.Watcher

	mu      sync.Mutex
	files   map[string]bool
	dirs    map[string]bool // of which each *.yaml counts
	watched map[string]bool // directories
}

// watchFiles calls changed whenever one of some files, or a *.yaml in one of some directories,
// may have become another one.
func watchFiles(paths []string, changed func()) (*fileWatch, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}

	w := &fileWatch{
		watcher: watcher,
		files:   map[string]bool{},
		dirs:    map[string]bool{},
		watched: map[string]bool{},
	}

	for _, p := range paths {
		p = filepath.Clean(p)
		if info, e := os.Stat(p); e == nil && info.IsDir() {
			w.dirs[p] = true
			err = errors.Join(err, w.watch(p))
		} else {
			err = errors.Join(err, w.add(p))
		}
	}

	if err != nil {
		watcher.Close()
		return nil, err
	}

	go w.run(changed)
	return w, nil
}

// Close ends the watch.
func (w *fileWatch) Close() error { return w.watcher.Close() }

// Also watches further files.
func (w *fileWatch) Also(files []string) (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()

	for _, file := range files {
		err = errors.Join(err, w.add(filepath.Clean(file)))
	}
	return err
}

func (w *fileWatch) add(file string) error {
	if w.files[file] {
		return nil
	}

	w.files[file] = true
	return w.watch(filepath.Dir(file))
}

func (w *fileWatch) watch(dir string) error {
	if w.watched[dir] {
		return nil
	}

	w.watched[dir] = true
	return w.watcher.Add(dir)
}

func (w *fileWatch) run(changed func()) {
	for {
		select {
		case e, ok := <-w.watcher.Events:
			if !ok {
				return
			}
			if e.Op != fsnotify.Chmod && w.isOurs(filepath.Clean(e.Name)) {
				changed()
			}
		case _, ok := <-w.watcher.Errors: // too many at once: something has changed
			if !ok {
				return
			}
			changed()
		}
	}
}

func (w *fileWatch) isOurs(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.files[name] || w.dirs[filepath.Dir(name)] && filepath.Ext(name) == ".yaml"
}

package fleet

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// watchFiles calls changed whenever one of some files, or a *.yaml in one of some directories,
// may have become another one. It looks at the directories around them, as editors put a new file
// in the place of the old.
func watchFiles(paths []string, changed func()) (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}

	files := map[string]bool{}
	dirs := map[string]bool{}
	for _, p := range paths {
		p = filepath.Clean(p)
		dir := filepath.Dir(p)
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			dirs[p] = true
			dir = p
		} else {
			files[p] = true
		}

		if e := w.Add(dir); e != nil {
			err = errors.Join(err, e)
		}
	}

	if err != nil {
		w.Close()
		return nil, err
	}

	go func() {
		for {
			select {
			case e, ok := <-w.Events:
				if !ok {
					return
				}

				name := filepath.Clean(e.Name)
				yaml := dirs[filepath.Dir(name)] && filepath.Ext(name) == ".yaml"
				if e.Op != fsnotify.Chmod && (files[name] || yaml) {
					changed()
				}
			case _, ok := <-w.Errors: // too many at once: something has changed
				if !ok {
					return
				}
				changed()
			}
		}
	}()

	return w, nil
}

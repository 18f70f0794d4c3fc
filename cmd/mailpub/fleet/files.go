// Package fleet is many sites: it loads their configs, looks at each once (Drift, Report) or again and
// again (Watch), keeps their history and serves their status page.
//
// It knows systemd's notifications, the journal, signals and files that change. How one site is
// looked at is in site, when it is looked at and who is told in watch. It prints nothing.
package fleet

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// ErrNoSites means that directories hold no config.
var ErrNoSites = errors.New("there is no *.yaml in it")

// Files returns the config files that some files and directories stand for: of a directory the
// *.yaml in it.
func Files(paths []string) (files []string, err error) {
	for _, p := range paths {
		info, err := os.Stat(p)
		if errors.Is(err, fs.ErrNotExist) {
			files = append(files, p) // config.Load says what to do
			continue
		}

		if err != nil {
			return nil, err
		}

		if !info.IsDir() {
			files = append(files, p)
			continue
		}

		found, err := filepath.Glob(filepath.Join(p, "*.yaml"))
		if err != nil {
			return nil, err
		}

		files = append(files, found...)
	}

	slices.Sort(files)
	return slices.Compact(files), nil
}

package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan/ledger"
)

// load reads the config files of sites, once.
func load(ctx context.Context, paths []string, o site.Options) (sites []watch.Site, wrong []watch.BadConfig, err error) {
	return newLoader(paths, o).load(ctx)
}

// loader reads the config files of sites again and again. It reads only what changed: a file that has the
// size, the time and the number of before is the one of before.
type loader struct {
	paths []string
	site  site.Options
	leads *ledger.Leads

	mu      sync.Mutex
	loaded  map[string]*loadedFile // by config file
	dirs    map[string]bool        // state directories of sites
	suspect bool                   // what looks unchanged is compared too
	parsed  int                    // configs that were read so far
}

func newLoader(paths []string, o site.Options) *loader {
	return &loader{
		paths:  paths,
		site:   o,
		leads:  &ledger.Leads{},
		loaded: map[string]*loadedFile{},
		dirs:   map[string]bool{},
	}
}

// loadedFile is a config file as it was read last.
type loadedFile struct {
	sources []source // the file itself, and those that it builds on
	site    watch.Site
	err     error // why it can't be watched; then nothing else is known
}

// source is a file as it was.
type source struct {
	path   string
	info   os.FileInfo // nil: it may be another one by now
	digest [sha256.Size]byte
}

// reread has the next load compare what files say, whatever their times, and resolve secrets again.
func (l *loader) reread() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.suspect = true
}

// load returns the sites as their files are now.
func (l *loader) load(ctx context.Context) (sites []watch.Site, wrong []watch.BadConfig, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	files, err := Files(l.paths)
	if err != nil {
		return nil, nil, err
	}

	found := make([]*loadedFile, len(files))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))

	for i, file := range files {
		before := l.loaded[file]
		if before.isSame(l.suspect) {
			found[i] = before
			continue
		}

		l.parsed++
		group.Go(func() error {
			found[i] = l.read(ctx, file)
			return nil
		})
	}

	_ = group.Wait()
	l.suspect = false
	l.loaded = make(map[string]*loadedFile, len(files))

	for i, one := range found {
		l.loaded[files[i]] = one
		if one.err != nil {
			wrong = append(wrong, watch.BadConfig{File: files[i], Err: one.err})
			continue
		}
		sites = append(sites, one.site)
	}

	return sites, wrong, l.announce(sites)
}

// announce says which sites are watched in each state directory.
func (l *loader) announce(sites []watch.Site) error {
	names := map[string][]string{}
	for dir := range l.dirs {
		names[dir] = nil
	}

	for _, s := range sites {
		dir := filepath.Dir(s.Home)
		names[dir] = append(names[dir], s.Name)
		l.dirs[dir] = true
	}

	for dir, list := range names {
		if err := l.leads.Announce(dir, list); err != nil {
			return err
		}
	}

	return nil
}

// isSame reports whether a file and those that it builds on are as they were. One with errors never is: it
// may have become right by something else. With suspect, neither is one with secrets, and times are not
// believed.
func (f *loadedFile) isSame(suspect bool) bool {
	if f == nil || f.err != nil || suspect && len(f.site.Channels) > 0 {
		return false
	}

	for _, s := range f.sources {
		now, err := os.Stat(s.path)
		if err != nil || s.info == nil || !os.SameFile(now, s.info) || now.Size() != s.info.Size() ||
			!now.ModTime().Equal(s.info.ModTime()) || now.Mode() != s.info.Mode() {
			return false
		}

		if suspect {
			if data, err := os.ReadFile(s.path); err != nil || sha256.Sum256(data) != s.digest {
				return false
			}
		}
	}

	return true
}

// read reads a config file.
func (l *loader) read(ctx context.Context, file string) *loadedFile {
	start := time.Now()
	cfg, err := config.Load(file)
	if err != nil {
		return &loadedFile{err: err}
	}

	f := &loadedFile{}
	sum := sha256.New()
	for i, s := range cfg.Sources() {
		info, err := os.Stat(s.Path)
		if err != nil {
			return &loadedFile{err: err}
		}
		if info.ModTime().After(start.Add(-settled)) {
			info = nil
		}

		f.sources = append(f.sources, source{s.Path, info, s.Digest})
		if i > 0 {
			sum.Write(s.Digest[:])
		}
	}

	digest := hex.EncodeToString(f.sources[0].digest[:])
	if len(f.sources) > 1 {
		sum.Write(f.sources[0].digest[:])
		digest = hex.EncodeToString(sum.Sum(nil))
	}

	f.site, f.err = newSite(ctx, cfg, digest, l.leads, l.site)
	return f
}

// settled is how long a file must have been left alone before its times say that it is the one that was
// read: clocks of file systems are coarse.
const settled = 2 * time.Second

// beneath are the files that the configs build on.
func (l *loader) beneath() (files []string) {
	l.mu.Lock()
	defer l.mu.Unlock()

	for _, one := range l.loaded {
		if len(one.sources) > 1 {
			for _, s := range one.sources[1:] {
				files = append(files, s.path)
			}
		}
	}

	slices.Sort(files)
	return slices.Compact(files)
}

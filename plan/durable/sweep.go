package durable

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tempMark stands in the names of temporary files, between that of the file that they are to become
// and a number. Editors leave files beside those that they edit, too.
const tempMark = ".mailpub"

// oldTemp is the age of a temporary file that no process can still be writing.
const oldTemp = time.Hour

// Sweep removes what a process that was killed within Replace left beside a file, or beside its dated copy. It
// must not be called while another one may replace that file.
func Sweep(path string) { sweep(path, 0) }

// sweepOld is Sweep of what is so old that nobody writes it. A large directory is read for that only once in a while:
// the state of 10,000 sites is 30,000 files, and each of them is replaced again and again.
func sweepOld(path string) {
	info, err := os.Stat(filepath.Clean(filepath.Dir(path)))
	if err == nil && info.Size() > largeDirectory && rand.IntN(sweptOnceIn) > 0 {
		return
	}
	sweep(path, oldTemp)
}

// largeDirectory is the size of a directory, in octets, that is about 2,000 files.
const (
	largeDirectory = 64 << 10
	sweptOnceIn    = 500
)

func sweep(path string, age time.Duration) {
	dir, name := filepath.Split(path)
	entries, _ := os.ReadDir(filepath.Clean(dir)) // no pattern: a folder's name may have brackets
	for _, e := range entries {
		if !isTemp(e.Name(), name) {
			continue
		}
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) >= age {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// isTemp reports whether a name is that of a temporary file for a file or its dated copy.
func isTemp(name, of string) bool {
	rest, ok := strings.CutPrefix(name, "."+of)
	if !ok {
		return false
	}

	number := rest
	if i := strings.LastIndex(rest, tempMark); i >= 0 {
		copied := strings.HasPrefix(rest, CopySuffix)
		if i > 0 && !copied {
			return false
		}
		number = rest[i+len(tempMark):]
	} else if number, ok = strings.CutPrefix(rest, "."); !ok { // as former versions called them
		return false
	}

	return number != "" && strings.Trim(number, "0123456789") == ""
}

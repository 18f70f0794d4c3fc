package durable

import (
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

// sweepOld is Sweep of what is so old that nobody writes it.
func sweepOld(path string) { sweep(path, oldTemp) }

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

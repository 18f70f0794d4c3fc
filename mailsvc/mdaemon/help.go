package mdaemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mailpub/mailpub/plan/lazy"
)

// Help is what the vendor's own help files on the server's machine say of the XML API: which
// operations this version has, and which elements they know. What they do not name is not sent.
type Help struct {
	elements map[string]map[string]bool // by operation
}

// maxHelp bounds one help file: those of 24.0 are below 100 KB.
const maxHelp = 4 << 20

var elementName = lazy.Regexp(`(?:<|&lt;)([A-Za-z][A-Za-z0-9]*)`)

// ReadHelp reads Docs\API\XML API\Help_OPERATION_RES.xml. Without such files nothing is known, which is no
// error.
func ReadHelp(docs string) (*Help, error) {
	h := &Help{elements: map[string]map[string]bool{}}
	dir := filepath.Join(docs, "API", "XML API")
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return h, err
	}

	for _, f := range files {
		name := strings.ToLower(f.Name())
		operation, isHelp := strings.CutPrefix(name, "help_")
		operation, isResponse := strings.CutSuffix(operation, "_res.xml")

		if !isHelp || !isResponse {
			continue
		}
		if info, err := f.Info(); err != nil || info.Size() > maxHelp {
			continue
		}

		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return h, err
		}

		known := map[string]bool{}
		for _, m := range elementName().FindAllSubmatch(text, -1) {
			known[strings.ToLower(string(m[1]))] = true
		}

		h.elements[operation] = known
	}

	return h, nil
}

// Knows reports whether the help has an operation with all these elements.
func (h *Help) Knows(operation string, elements ...string) bool {
	if h == nil {
		return false
	}

	known, ok := h.elements[strings.ToLower(operation)]
	for _, e := range elements {
		ok = ok && known[strings.ToLower(e)]
	}

	return ok
}

// Operations is how many operations the help names.
func (h *Help) Operations() int { return len(h.elements) }

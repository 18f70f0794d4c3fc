// Package dialect keeps what was learnt of an MDaemon in a file that can be handed to others.
//
// It knows the form of that file and nothing of MDaemon but the names of its settings.
package dialect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mailpub/mailpub/mailsvc/mdaemon"
	"github.com/mailpub/mailpub/plan/durable"
)

// head begins a file.
const head = "# Where MDaemon %s keeps its settings, as mailpub learnt it (mailpub mdaemon learn). It holds no secrets.\n"

// NameFor is the usual name of the file for a version: mdaemon-26.yaml.
func NameFor(version string) string {
	major, _, _ := strings.Cut(version, ".")
	return "mdaemon-" + major + ".yaml"
}

// Load reads a file. Each mistake is named with its line.
func Load(path string) (*mdaemon.Dialect, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}

	var file struct {
		Version  string               `yaml:"version"`
		Settings map[string]yaml.Node `yaml:"settings"`
	}

	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is empty, want what mailpub mdaemon learn wrote", path)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}

	if file.Version == "" {
		return nil, fmt.Errorf("%s: version: is missing, want that of the MDaemon that it was learnt on", path)
	}

	d := &mdaemon.Dialect{Version: file.Version, Settings: map[string]mdaemon.Placement{}}
	var bad []error
	for name, node := range file.Settings {
		p, err := placement(name, node)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s:%d: settings.%s: %w", path, node.Line, name, err))
		}
		d.Settings[name] = p
	}

	slices.SortFunc(bad, func(a, b error) int {
		return strings.Compare(a.Error(), b.Error())
	})

	return d, errors.Join(bad...)
}

func placement(name string, node yaml.Node) (p mdaemon.Placement, err error) {
	s, known := mdaemon.LookupSetting(name)
	if !known {
		return p, fmt.Errorf("is no setting, want one of %s", strings.Join(Names(), ", "))
	}
	if err := node.Decode(&p); err != nil {
		return p, err
	}

	ending := strings.ToLower(filepath.Ext(p.File))
	switch {
	case strings.ContainsAny(p.File, `/\:`) || ending != ".ini" && ending != ".dat":
		return p, fmt.Errorf("file is %q, want the name of an .ini or .dat file in the App folder", p.File)
	case strings.EqualFold(p.File, "userlist.dat"):
		return p, errors.New("file is the list of accounts, which mailpub never writes")
	case p.Key == "":
		return p, errors.New("key is missing")
	case strings.ContainsAny(p.Section+p.Key+p.On+p.Off, "\r\n"):
		return p, errors.New("a value has more than one line")
	case strings.Contains(p.Section, "]") || strings.Contains(p.Key, "="):
		return p, errors.New("a section holds no ] and a key no =")
	case p.On == "" && !s.Text:
		return p, errors.New("on is missing, want the value of a box that is ticked")
	case p.On == p.Off && !s.Text:
		return p, errors.New("on and off are the same")
	}

	return p, nil
}

// Names are the names of all settings.
func Names() (names []string) {
	for _, s := range mdaemon.Settings() {
		names = append(names, s.Name)
	}
	return names
}

// Save writes a file as a whole.
func Save(path string, d *mdaemon.Dialect) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, head, d.Version)
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(d); err != nil {
		return err
	}

	return durable.ReplaceShared(path, b.Bytes(), 0o644)
}

package site

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/mailpub/mailpub/plan/durable"
)

// State keeps what a site has to remember beside its ledger, by short names: in files of the state
// directory, or in a database.
type State interface {
	Read(name string) ([]byte, error) // nil: there is none
	Write(name string, data []byte) error
}

// Names of what State keeps.
const (
	StateWatch    = "watch"    // the problems that watch knows of
	StateSent     = "sent"     // what messages showed last
	StateZones    = "zones"    // what DNS providers showed last
	StateMessages = "messages" // how many messages were sent today
)

// StateFiles keeps a site's state in the files SITE.NAME.json of a directory, which is made if need be.
type StateFiles struct{ Dir, Site string }

// Path is the file of a name.
func (f StateFiles) Path(name string) string { return filepath.Join(f.Dir, f.Site+"."+name+".json") }

// Read implements State.
func (f StateFiles) Read(name string) ([]byte, error) {
	data, err := durable.Read(f.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Write implements State.
func (f StateFiles) Write(name string, data []byte) error {
	if err := durable.MakePrivate(f.Dir); err != nil {
		return err
	}
	return durable.Replace(f.Path(name), append(data, '\n'))
}

// readState reads JSON of a state. What is not there leaves into as it is.
func readState(s State, name string, into any) error {
	data, err := s.Read(name)
	if err != nil || data == nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// writeState replaces JSON of a state.
func writeState(s State, name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.Write(name, data)
}

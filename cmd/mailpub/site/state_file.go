package site

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/mailpub/mailpub/plan/durable"
)

// readState reads a JSON file of the state directory. One that is not there leaves into as it is.
func readState(path string, into any) error {
	data, err := durable.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}

	return json.Unmarshal(data, into)
}

// writeState replaces a JSON file of the state directory, which is made if need be.
func writeState(path string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := durable.MakePrivate(filepath.Dir(path)); err != nil {
		return err
	}

	return durable.Replace(path, append(data, '\n'))
}

package setup

import (
	"bytes"
	"fmt"
	"os"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan/durable"
)

// Format brings a config file into its usual form, and reports whether it had another one. With check it is left as
// it is.
func Format(path string, check bool) (changed bool, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}

	text, err := config.Format(path, data)
	if err != nil || bytes.Equal(text, data) {
		return false, err
	}
	if check {
		return true, nil
	}
	if err := durable.ReplaceShared(path, text, 0o600); err != nil {
		return false, fmt.Errorf("%s was not changed: %w", path, err)
	}

	return true, nil
}

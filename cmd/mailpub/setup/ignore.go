package setup

import (
	"fmt"
	"os"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan/durable"
)

// Ignore adds an entry to the list of ignored findings in a config file, and keeps all else in it as it is.
func Ignore(cfg *config.Config, add config.Ignore) error {
	data, err := os.ReadFile(cfg.File)
	if err != nil {
		return err
	}

	text, err := cfg.WithIgnore(data, add)
	if err != nil {
		return err
	}
	if err := durable.ReplaceShared(cfg.File, text, 0o600); err != nil {
		return fmt.Errorf("the config was not changed: %w", err)
	}

	return nil
}

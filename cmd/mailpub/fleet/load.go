package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// load reads the config files of sites.
func load(ctx context.Context, paths []string, o site.Options) (sites []watch.Site, wrong []watch.BadConfig, err error) {
	files, err := Files(paths)
	if err != nil {
		return nil, nil, err
	}

	for _, file := range files {
		data, err := os.ReadFile(file)
		var cfg *config.Config
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			cfg, err = config.Load(file)
		}

		var one watch.Site
		if err == nil {
			sum := sha256.Sum256(data)
			one, err = newSite(ctx, cfg, hex.EncodeToString(sum[:]), o)
		}

		if err != nil {
			wrong = append(wrong, watch.BadConfig{File: file, Err: err})
			continue
		}

		sites = append(sites, one)
	}

	return sites, wrong, nil
}

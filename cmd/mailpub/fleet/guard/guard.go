// Package guard decides what the text of a tenant's config may say. Such a text is not trusted: a fleet's
// workers run it with the operator's files, programs and network within reach. secret:NAME is its only
// reference; files, programs and what needs the server's own machine or network are refused, and so are
// addresses that are not public, unless the operator allows their range.
//
// It reads texts and opens nothing. Names are checked when they are connected to: see plan/egress.
package guard

import (
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan/egress"
)

// MaxSize is how long a tenant's text may be, in octets: a thousand zones have some 150,000.
const MaxSize = 256 << 10

// Rules are what the operator allows to tenants.
type Rules struct {
	Allow []netip.Prefix // ranges that are not public, such as the hoster's own mail servers
}

// Parse reads the text of a tenant's config, as a file of that path would have it, and refuses what a tenant
// may not say. beneath is the text that the config's defaults name; nil for none. The error is a
// config.Errors with each mistake: its line, its field and what was expected.
func Parse(file string, data, beneath []byte, r Rules) (*config.Config, error) {
	for _, body := range [][]byte{data, beneath} {
		if len(body) > MaxSize {
			return nil, config.Errors{{File: file, Text: fmt.Sprintf("has %d octets, want at most %d", len(body), MaxSize)}}
		}
	}

	if name := path.Base(file); !isFileName(name) {
		return nil, config.Errors{{File: file, Text: fmt.Sprintf("%q is not a file name for a site, want small letters, digits and hyphens, then .yaml, .toml or .json", name)}}
	}

	c, err := config.ParseOver(file, data, func(string) ([]byte, error) {
		if beneath == nil {
			return nil, fs.ErrNotExist
		}
		return beneath, nil
	})

	if err != nil {
		return nil, err
	}

	if bad := Check(c, r); len(bad) > 0 {
		return nil, bad
	}

	return c, nil
}

// Check lists what a config says that a tenant may not.
func Check(c *config.Config, r Rules) config.Errors {
	k := checker{
		config:   c,
		egress:   egress.Rules{Allow: r.Allow},
		fields:   fields(),
		settings: settingKinds(),
	}

	eachValue(c, k.value)
	k.dkimKeys()
	k.providers()

	return k.bad
}

// isFileName reports whether a site's file may be called so.
func isFileName(name string) bool {
	base, ending, _ := strings.Cut(name, ".")
	switch ending {
	case "yaml", "yml", "toml", "json":
	default:
		return false
	}

	return base != "" && len(base) <= 63 && base[0] != '-' &&
		strings.Trim(base, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

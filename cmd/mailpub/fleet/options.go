package fleet

import (
	"log/slog"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
)

// AtOnce is how many sites are looked at at once where nobody says otherwise.
const AtOnce = 32

// Options say which sites are watched, and how.
type Options struct {
	Paths       []string // files and directories
	AtOnce      int      // how many sites are looked at at once
	Site        site.Options
	Log         *slog.Logger
	Listen      string   // address of the status page; "" for none
	ListenNames []string // host names of the status page beside addresses and localhost
	ListenToken string   // that the status page asks for; "" for none
	Insecure    bool     // the status page may be served elsewhere than on loopback without a token
	Version     string   // of mailpub, for the status page
}

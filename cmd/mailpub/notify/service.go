package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
)

// Service returns a channel to a service that shoutrrr knows, by its URL, as in
// "smtp://user:password@host:587/?fromAddress=a@b&toAddresses=c@d" or "ntfy://ntfy.sh/topic". The
// error of a URL that is none holds nothing of it but its scheme.
//
// shoutrrr does not know contexts: while a message hangs the channel refuses further ones.
func Service(raw string) (watch.Channel, error) {
	scheme, _, _ := strings.Cut(raw, ":")
	router, err := shoutrrr.NewSender(log.New(io.Discard, "", 0), raw)
	if err != nil {
		return watch.Channel{}, fmt.Errorf("no URL of a service that can be told: %w", bare(err, secretsOf(raw)...))
	}
	free := make(chan struct{}, 1)
	return watch.Channel{Name: scheme, Send: func(_ context.Context, n watch.Notice) error {
		select {
		case free <- struct{}{}:
			defer func() { <-free }()
		default:
			return errors.New("the message before hangs")
		}
		for _, err := range router.Send(n.Text, &types.Params{"title": "mailpub " + n.Site + ": " + n.Title}) {
			if err != nil {
				return bare(err, secretsOf(raw)...)
			}
		}
		return nil
	}}, nil
}

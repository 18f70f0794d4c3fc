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
// shoutrrr does not know contexts, and its own time limit leaves a goroutine behind for good at each
// message that takes longer. So the service is called without it, and what may hang at a time is bounded.
func Service(raw string) (watch.Channel, error) {
	scheme, _, _ := strings.Cut(raw, ":")
	fail := func(err error) (watch.Channel, error) {
		return watch.Channel{}, fmt.Errorf("not the URL of a supported service: %w",
			withoutSecrets(err, secretsOf(raw)...))
	}

	router, err := shoutrrr.NewSender(log.New(io.Discard, "", 0))
	if err != nil {
		return fail(err)
	}

	service, err := router.Locate(raw)
	if err != nil {
		return fail(err)
	}

	a := &attempts{}
	return watch.Channel{Name: scheme, Send: func(ctx context.Context, n watch.Notice) error {
		err := a.do(ctx, func() error {
			return service.Send(n.Text, &types.Params{"title": "mailpub " + n.Site + ": " +
				n.Title})
		})

		if err == nil || ctx.Err() != nil || errors.Is(err, errHangs) {
			return err
		}

		return withoutSecrets(err, secretsOf(raw)...)
	}}, nil
}

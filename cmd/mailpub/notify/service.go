package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan/egress"
)

// Service returns a channel to a service that shoutrrr knows, by its URL, as in
// "smtp://user:password@host:587/?fromAddress=a@b&toAddresses=c@d" or "ntfy://ntfy.sh/topic". The
// error of a URL that is none holds nothing of it but its scheme.
//
// shoutrrr does not know contexts, and its own time limit leaves a goroutine behind for good at each
// message that takes longer. So the service is called without it, and what may hang at a time is bounded.
// It cannot keep to limits of egress either: under such limits only services are allowed whose host the URL
// cannot choose.
func Service(ctx context.Context, raw string) (watch.Channel, error) {
	scheme, _, _ := strings.Cut(raw, ":")
	if !hasFixedHost(raw) {
		if err := egress.Refuse(ctx, "this service for notices"); err != nil {
			return watch.Channel{}, fmt.Errorf("%w, want one of %s, or a webhook", err,
				strings.Join(fixedHosts(), ", "))
		}
	}

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
		if !hasFixedHost(raw) {
			if err := egress.Refuse(ctx, "this service for notices"); err != nil {
				return err
			}
		}

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

// fixedHosts are the services that shoutrrr reaches at one host each, in the library's own text.
func fixedHosts() []string {
	return []string{"discord", "ifttt", "join", "pushbullet", "pushover", "slack", "telegram", "wecom"}
}

// hasFixedHost reports whether the URL of a service cannot choose the host that is connected to.
func hasFixedHost(raw string) bool {
	scheme, _, _ := strings.Cut(raw, ":")
	return slices.Contains(fixedHosts(), strings.ToLower(scheme))
}

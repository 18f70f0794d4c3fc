package site

import (
	"context"
	"errors"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc/probe"
)

// probeSource is the name of the probe among the sources of the public address.
const probeSource = "the probe"

// busyPause is how long a probe that wants to be asked later is left alone.
const busyPause = 12 * time.Second

// NewProbe returns the client of the config's external probe; nil where there is none. Its token
// is resolved here.
func NewProbe(ctx context.Context, cfg *config.Config) (*probe.Client, error) {
	p := cfg.Verify.Probe
	if p.URL == "" {
		return nil, nil
	}

	token, err := cfg.ProbeToken(ctx)
	if err != nil {
		return nil, err
	}

	return &probe.Client{URL: p.URL, Token: token, Fingerprint: p.Fingerprint}, nil
}

// askProbe asks the probe, and once more where it was busy.
func askProbe(ctx context.Context, client *probe.Client, r probe.Request) (probe.Answer, error) {
	a, err := client.Check(ctx, r)
	if !errors.Is(err, probe.ErrBusy) {
		return a, err
	}

	select {
	case <-ctx.Done():
		return a, err
	case <-time.After(busyPause):
		return client.Check(ctx, r)
	}
}

//go:build !windows && !darwin

package service

import (
	"context"

	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

// Run runs as any other process: the system's ways of starting one need nothing else here.
func Run(ctx context.Context, _ *term.UI, _ string, run func(context.Context) error) error {
	return run(ctx)
}

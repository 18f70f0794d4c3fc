//go:build !linux && !windows && !darwin

package service

import (
	"context"
	"errors"

	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/cmd/mailpub/unit"
)

var errNoServices = errors.New("mailpub knows no services of this system: have it run \"mailpub watch\" in its own way")

// Install fails.
func Install(context.Context, *term.UI, unit.Options, Options) error { return errNoServices }

// Remove fails.
func Remove(context.Context, *term.UI, Options) error { return errNoServices }

// Status fails.
func Status(context.Context, *term.UI, Options) (bool, error) { return false, errNoServices }

//go:build !linux && !windows && !darwin

package main

import (
	"context"
	"errors"

	"github.com/mailpub/mailpub/cmd/mailpub/unit"
)

var errNoServices = errors.New("mailpub knows no services of this system: have it run \"mailpub watch\" in its own way")

func (a *app) installService(context.Context, unit.Options, serviceFlags) error { return errNoServices }
func (a *app) removeService(context.Context, serviceFlags) error                { return errNoServices }
func (a *app) serviceStatus(context.Context, serviceFlags) error                { return errNoServices }

//go:build !windows && !darwin

package main

import "context"

// asService runs as any other process: the system's ways of starting one need nothing else here.
func (a *app) asService(ctx context.Context, _ string, run func(context.Context) error) error {
	return run(ctx)
}

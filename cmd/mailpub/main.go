// Command mailpub makes a mail server behind a router reachable from the Internet,
// proves that mail arrives, and keeps it so.
//
// Package main is the command line: a file for each command, with its flags, one call, one
// presentation and the exit code. What a site is and what can be done with it is in site, how it
// looks on a terminal in term.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	useFallbackRoots()
	a := newApp(os.Stdin, os.Stdout, os.Stderr)
	a.withSignals = withSignals
	os.Exit(a.execute(context.Background(), os.Args[1:]))
}

// withSignals returns a context that Ctrl-C and SIGTERM end. A second one ends mailpub at
// once. Listening for signals costs as much as all the rest of a short command.
func withSignals(ctx context.Context) context.Context {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

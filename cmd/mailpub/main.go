// Command mailpub makes a mail server behind a router reachable from the Internet,
// proves that mail arrives, and keeps it so.
//
// This room wires the others and is the only one that prints.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	bringRoots()
	a := &app{stdio: stdio{os.Stdin, os.Stdout, os.Stderr}, stoppable: stoppable}
	os.Exit(a.execute(context.Background(), os.Args[1:]))
}

// stoppable returns a context that Ctrl-C and SIGTERM end. A second one ends mailpub at
// once. Listening for signals costs as much as all the rest of a short command.
func stoppable(ctx context.Context) context.Context {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

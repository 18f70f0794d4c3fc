package main

import (
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/plan/trace"
)

// observe has a command log what it asks and writes, as often as -v was given; without -v, a terminal shows which
// answer the command waits for.
func (a *app) observe(cmd *cobra.Command) {
	if a.verbose == 0 {
		a.showWaits(cmd)
		return
	}

	log := a.logger()
	o := &trace.Observer{Exchanged: func(e trace.Exchange) {
		attrs := []any{
			slog.String("protocol", e.Protocol),
			slog.String("peer", e.Peer),
			slog.String("question", e.Question),
			slog.Duration("took", e.Took.Round(10*time.Microsecond)),
		}

		if e.Err != "" {
			attrs = append(attrs, slog.String("error", e.Err))
		}

		log.Debug("asked", attrs...)
	}}

	if a.verbose > 1 {
		o.Wire = func(protocol, peer string, way trace.Direction, text string) {
			log.Debug(string(way), "protocol", protocol, "peer", peer, "text", text)
		}
	}

	cmd.SetContext(trace.With(cmd.Context(), o))
}

// showWaits has a terminal show what the command waits for. Commands that run until a signal have a log instead, and
// the demo says itself what it does.
func (a *app) showWaits(cmd *cobra.Command) {
	if a.style != nil || slices.Contains([]string{"watch", "receive", "serve", "demo"}, cmd.Name()) {
		return
	}

	began, stop := a.ui.ShowWaits(a.noColor)
	if began == nil {
		return
	}

	a.stopWaits = stop
	cmd.SetContext(trace.With(cmd.Context(), &trace.Observer{Began: began}))
}

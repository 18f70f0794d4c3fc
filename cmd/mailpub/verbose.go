package main

import (
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/plan/trace"
)

// observe has a command log what it asks and writes, as often as -v was given.
func (a *app) observe(cmd *cobra.Command) {
	if a.verbose == 0 {
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

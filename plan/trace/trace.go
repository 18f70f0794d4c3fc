// Package trace tells an observer what is asked of other hosts and programs, and what is written there: -v shows
// it. The observer travels with a context, as in net/http/httptrace, so that nothing in between has to know of it.
//
// It knows no protocol.
package trace

import (
	"context"
	"sync"
	"time"
)

// Exchange is one question or one write, and how it ended.
type Exchange struct {
	Protocol string // "dns", "https", "upnp", "pcp", "nat-pmp", "smtp", "command"
	Peer     string // the host, or the program
	Question string // on one line
	Took     time.Duration
	Err      string // empty where there was an answer, whatever that says
}

// Direction is the way of what is on the wire.
type Direction string

const (
	Sent     Direction = "sent"
	Received Direction = "received"
)

// Observer is told of exchanges. Its functions are called from several goroutines; each may be nil.
type Observer struct {
	Exchanged func(Exchange)
	Wire      func(protocol, peer string, way Direction, text string)

	// Began is told of an exchange when it begins; the function that it returns is called when it ends.
	Began func(Exchange) (ended func())

	mu      sync.Mutex
	redacts map[string]func(string) string
}

// Redact has everything that an observer is told from now on go through a function that takes secrets out of a
// text. A later one of the same name replaces it.
func Redact(ctx context.Context, name string, redact func(string) string) {
	o := of(ctx)
	if o == nil {
		return
	}

	o.mu.Lock()
	defer o.mu.Unlock()

	if o.redacts == nil {
		o.redacts = map[string]func(string) string{}
	}

	o.redacts[name] = redact
}

func (o *Observer) clean(text string) string {
	o.mu.Lock()
	defer o.mu.Unlock()

	for _, redact := range o.redacts {
		text = redact(text)
	}
	return text
}

type key struct{}

// With returns a context whose exchanges an observer is told of.
func With(ctx context.Context, o *Observer) context.Context {
	return context.WithValue(ctx, key{}, o)
}

func of(ctx context.Context) *Observer {
	o, _ := ctx.Value(key{}).(*Observer)
	return o
}

// Start begins an exchange. The function that it returns ends it.
func Start(ctx context.Context, protocol, peer, question string) func(error) {
	o := of(ctx)
	if o == nil || o.Exchanged == nil && o.Began == nil {
		return func(error) {}
	}

	e := Exchange{
		Protocol: protocol,
		Peer:     peer,
		Question: o.clean(question),
	}

	ended := func() {}
	if o.Began != nil {
		ended = o.Began(e)
	}

	begin := time.Now()
	return func(err error) {
		ended()
		if o.Exchanged == nil {
			return
		}

		e.Took = time.Since(begin)

		if err != nil {
			e.Err = o.clean(err.Error())
		}

		o.Exchanged(e)
	}
}

// Observed reports whether an observer wants what is on the wire, where making the text of it costs something.
func Observed(ctx context.Context) bool {
	o := of(ctx)
	return o != nil && o.Wire != nil
}

// Wire tells what went over the wire.
func Wire(ctx context.Context, protocol, peer string, way Direction, text string) {
	if o := of(ctx); o != nil && o.Wire != nil {
		o.Wire(protocol, peer, way, o.clean(text))
	}
}

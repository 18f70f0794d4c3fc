package term

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/mailpub/mailpub/plan/trace"
)

const (
	patience = time.Second            // of a person, until a wait needs an explanation
	redraw   = 250 * time.Millisecond // of the line
)

// wait shows on a terminal what a command waits for: one line on standard error, for answers that take longer than
// a second. Everything else that is printed takes the line away first.
type wait struct {
	mu      sync.Mutex
	err     io.Writer
	style   Style
	pending map[int]pendingAnswer
	last    int // number of the last question
	answers int
	shown   bool // the line stands on the terminal
	partial bool // other output ends in the middle of a line: a prompt, or a line of progress
}

// pendingAnswer is an answer that has not come yet.
type pendingAnswer struct {
	exchange trace.Exchange
	since    time.Time
}

// ShowWaits has u show what the command waits for, on a terminal. It returns what has to be told of each
// exchange, and what ends it; nil where standard error is not a terminal.
func (u *UI) ShowWaits(noColour bool) (began func(trace.Exchange) func(), stop func()) {
	style := StyleOf(u.Err, noColour)
	if !style.Terminal || style.Width == 0 {
		return nil, nil
	}

	w := &wait{err: u.Err, style: style, pending: map[int]pendingAnswer{}}
	u.Out = &outputOfWait{Writer: u.Out, wait: w}
	u.Err = &outputOfWait{Writer: u.Err, wait: w}

	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(redraw)
		defer tick.Stop()

		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				w.draw(now)
			}
		}
	}()

	return w.began, func() {
		close(done)
		w.mu.Lock()
		defer w.mu.Unlock()

		w.erase()
	}
}

func (w *wait) began(e trace.Exchange) (ended func()) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.last++
	number := w.last
	w.pending[number] = pendingAnswer{exchange: e, since: time.Now()}

	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()

		delete(w.pending, number)
		w.answers++
	}
}

// draw shows the answer that is waited for longest.
func (w *wait) draw(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()

	if w.partial {
		return
	}

	var oldest pendingAnswer
	for _, p := range w.pending {
		if oldest.since.IsZero() || p.since.Before(oldest.since) {
			oldest = p
		}
	}

	if oldest.since.IsZero() || now.Sub(oldest.since) < patience {
		w.erase()
		return
	}

	fmt.Fprint(w.err, EraseLine+w.style.Dim(w.style.Clip(w.text(oldest, now))))
	w.shown = true
}

func (w *wait) text(p pendingAnswer, now time.Time) string {
	text := fmt.Sprintf("waiting %d s for %s %s", int(now.Sub(p.since)/time.Second), p.exchange.Protocol, Clean(p.exchange.Peer))
	if more := len(w.pending) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if w.answers > 0 {
		text += "; " + Count(w.answers, "answer") + " so far"
	}

	return text
}

// erase takes the line away. The lock is held.
func (w *wait) erase() {
	if w.shown {
		fmt.Fprint(w.err, EraseLine)
		w.shown = false
	}
}

// outputOfWait is an output beside the line of a wait.
type outputOfWait struct {
	io.Writer
	wait *wait
}

// below is the output itself.
func (o *outputOfWait) below() io.Writer { return o.Writer }

func (o *outputOfWait) Write(p []byte) (int, error) {
	o.wait.mu.Lock()
	defer o.wait.mu.Unlock()

	o.wait.erase()
	if len(p) > 0 {
		o.wait.partial = p[len(p)-1] != '\n' && string(p) != EraseLine
	}

	return o.Writer.Write(p)
}

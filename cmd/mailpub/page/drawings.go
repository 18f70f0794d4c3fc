package page

import (
	"sync"
	"time"
)

// fresh is how long a page is handed out again as it is, where nothing is new: what it says of
// times left is that old at most.
const fresh = 2 * time.Second

// mostDrawings is how many pages are kept drawn.
const mostDrawings = 64

// drawings are pages that were drawn a moment ago. Each is drawn once at a time, for all who ask for it.
type drawings struct {
	mu sync.Mutex
	of map[drawing]*drawnPage
}

// drawing is what a page shows: a site, or an overview.
type drawing struct {
	site    string
	several bool // it is one of several
	query   query
}

type drawnPage struct {
	mu    sync.Mutex // held while it is drawn
	stamp int64
	at    time.Time
	body  []byte
}

// get returns a page, drawn anew where something is new.
func (d *drawings) get(which drawing, stamp int64, now time.Time, draw func() ([]byte, error)) ([]byte, error) {
	p := d.page(which)
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.body != nil && p.stamp >= stamp && now.Sub(p.at).Abs() < fresh {
		return p.body, nil
	}

	body, err := draw()
	if err != nil {
		return nil, err
	}

	p.stamp = stamp
	p.at = now
	p.body = body

	return body, nil
}

func (d *drawings) page(which drawing) *drawnPage {
	d.mu.Lock()
	defer d.mu.Unlock()

	if len(d.of) >= mostDrawings && d.of[which] == nil {
		d.of = nil
	}

	if d.of == nil {
		d.of = map[drawing]*drawnPage{}
	}

	if d.of[which] == nil {
		d.of[which] = &drawnPage{}
	}

	return d.of[which]
}

package igd

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// wan is the outer side of one mapping: a listener on loopback whose connections are
// piped to the host inside.
type wan struct {
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
}

func (d *Device) openWAN(m Mapping) (*wan, error) {
	l, err := (&net.ListenConfig{}).Listen(d.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}

	w := &wan{listener: l}
	w.ctx, w.cancel = context.WithCancel(d.ctx)
	to := m.Internal.String()
	d.running.Go(func() {
		for {
			outer, err := l.Accept()
			if err != nil {
				return
			}
			d.running.Go(func() { w.pipe(d, outer, to) })
		}
	})

	return w, nil
}

// close ends the listener and every connection that came by it.
func (w *wan) close() {
	if w != nil {
		w.cancel()
		w.listener.Close()
	}
}

// pipe carries one connection until both sides have ended it or the mapping goes.
func (w *wan) pipe(d *Device, outer net.Conn, to string) {
	defer outer.Close()

	d.mu.Lock()
	d.expire()
	d.mu.Unlock()
	inner, err := d.cfg.Dial(w.ctx, "tcp", to)
	if err != nil {
		d.cfg.Logger.Debug("nothing answers inside", "to", to, "error", err)
		return
	}

	defer inner.Close()
	defer context.AfterFunc(w.ctx, func() { outer.Close(); inner.Close() })()

	var both sync.WaitGroup
	both.Go(func() { copyOneWay(inner, outer) })
	both.Go(func() { copyOneWay(outer, inner) })
	both.Wait()
}

// copyOneWay copies one direction and passes its end on, so that a client that has said all
// it had to say still gets the answer.
func copyOneWay(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if c, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = c.CloseWrite()
		return
	}
	to.Close()
	from.Close()
}

// DialWAN connects to an external port as a client on the Internet would. It fails
// when the port is not mapped.
func (d *Device) DialWAN(ctx context.Context, external uint16) (net.Conn, error) {
	addr, ok := d.WANAddr(external)
	if !ok {
		return nil, fmt.Errorf("dial %s port %d: the router forwards nothing there",
			d.cfg.External, external)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr.String())
}

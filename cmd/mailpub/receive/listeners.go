package receive

import (
	"errors"
	"net"
	"sync"
)

// listeners is several listeners as one: what any of them accepts.
type listeners struct {
	all      []net.Listener
	accepted chan acceptResult
	closed   chan struct{}
	once     sync.Once
}

type acceptResult struct {
	conn net.Conn
	err  error
}

// joinListeners makes one of listeners that were opened; of one, that itself. They are closed with it.
func joinListeners(all []net.Listener) net.Listener {
	if len(all) == 1 {
		return all[0]
	}

	l := &listeners{all: all, accepted: make(chan acceptResult), closed: make(chan struct{})}
	for _, each := range all {
		go func() {
			for {
				conn, err := each.Accept()
				select {
				case l.accepted <- acceptResult{conn, err}:
				case <-l.closed:
					if err == nil {
						conn.Close()
					}
					return
				}

				if errors.Is(err, net.ErrClosed) {
					return
				}
			}
		}()
	}

	return l
}

func (l *listeners) Accept() (net.Conn, error) {
	select {
	case a := <-l.accepted:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listeners) Close() (err error) {
	l.once.Do(func() {
		close(l.closed)
		for _, each := range l.all {
			err = errors.Join(err, each.Close())
		}
	})
	return err
}

// Addr is that of the first.
func (l *listeners) Addr() net.Addr { return l.all[0].Addr() }

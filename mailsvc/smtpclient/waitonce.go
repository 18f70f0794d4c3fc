package smtpclient

import (
	"context"
	"net"
	"sync"
	"time"
)

// WaitOnce returns a Dial for one run of checks: where an address gave no greeting within GreetingTimeout,
// what asks there later is told so at once. Without it a server that is mute costs a minute for every
// check, one after the other.
func WaitOnce(dial Dial) Dial {
	mute := &muteServers{errs: map[string]error{}}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := mute.at(address); err != nil {
			return nil, err
		}

		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}

		return &onceConn{
			Conn:    conn,
			address: address,
			opened:  time.Now(),
			mute:    mute,
		}, nil
	}
}

// muteServers are the addresses that gave no greeting, with the error of the one who waited.
type muteServers struct {
	mu   sync.Mutex
	errs map[string]error
}

func (m *muteServers) at(address string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.errs[address]
}

// onceConn is a connection whose missing greeting is remembered.
type onceConn struct {
	net.Conn
	address string
	opened  time.Time
	mute    *muteServers
}

// noGreeting remembers err for the address, if the wait was a whole one: a run that was cancelled says
// nothing of the server.
func (c *onceConn) noGreeting(err error) {
	if time.Since(c.opened) < GreetingTimeout {
		return
	}
	c.mute.mu.Lock()
	defer c.mute.mu.Unlock()
	c.mute.errs[c.address] = err
}

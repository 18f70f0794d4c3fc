//go:build !linux

package nftables

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
)

var errLinux = errors.New("nftables is Linux's: it serves where mailpub runs on the Linux router itself")

// Router is there on Linux only: openTables fails.
type Router struct{}

// Pinholes is there on Linux only.
type Pinholes struct{ *Router }

func Open(context.Context, string, string, func() time.Time) (*Router, string, error) {
	return nil, "", errLinux
}

func (n *Router) Pinholes() *Pinholes                    { return &Pinholes{n} }
func (n *Router) Script(context.Context) (string, error) { return "", errLinux }

func (n *Router) Protocol() string { return "nftables" }
func (n *Router) String() string   { return "router by nftables" }

func (n *Router) WAN(context.Context) (netip.Addr, error) { return netip.Addr{}, errLinux }
func (n *Router) Read(context.Context, []forward.Port) ([]forward.Mapping, error) {
	return nil, errLinux
}
func (n *Router) Add(context.Context, forward.Port, forward.Target, time.Duration) error {
	return errLinux
}
func (n *Router) Remove(context.Context, forward.Port, forward.Target) error { return errLinux }

// List fails.
func (n *Router) List(context.Context) ([]forward.Mapping, error) { return nil, errLinux }

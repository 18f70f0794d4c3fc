//go:build !linux

package nat

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

var errLinux = errors.New("nftables is Linux's: it serves where mailpub runs on the Linux router itself")

// netfilter is there on Linux only: openTables fails.
type netfilter struct{}

// nftHoles is there on Linux only.
type nftHoles struct{ *netfilter }

func openTables(context.Context, string, string, func() time.Time) (*netfilter, string, error) {
	return nil, "", errLinux
}

func (n *netfilter) pinholes() *nftHoles                    { return &nftHoles{n} }
func (n *netfilter) script(context.Context) (string, error) { return "", errLinux }

func (n *netfilter) protocol() string { return "nftables" }
func (n *netfilter) String() string   { return "router by nftables" }

func (n *netfilter) wan(context.Context) (netip.Addr, error)                { return netip.Addr{}, errLinux }
func (n *netfilter) read(context.Context, []port) ([]mapping, error)        { return nil, errLinux }
func (n *netfilter) add(context.Context, port, target, time.Duration) error { return errLinux }
func (n *netfilter) remove(context.Context, port, target) error             { return errLinux }

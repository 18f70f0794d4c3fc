//go:build !linux

package nat

import (
	"context"
	"errors"
	"fmt"
)

func openNFT(context.Context, Options) (device, string, error) {
	return nil, "", &noRouter{errors.New("nftables is Linux's: it serves where mailpub runs on the Linux router itself")}
}

// Script returns the forwards as text for nft(8). It is there on Linux only.
func (r *Router) Script(context.Context) (string, error) {
	return "", fmt.Errorf("the router is spoken to by %s: only rules of nftables have to be restored at boot", r.Protocol())
}

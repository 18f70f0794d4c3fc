package nat

import (
	"context"
	"fmt"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/nftables"
)

// openNFT takes this machine for the router.
func openNFT(ctx context.Context, o Options) (device, string, error) {
	n, why, err := nftables.Open(ctx, o.Interface, forward.Mark(o.Site), o.Now)
	if err != nil {
		return nil, "", &noRouter{err}
	}
	return n, why, nil
}

// Script returns this site's and every other's forwards in mailpub's nftables table as text
// for nft(8), to be loaded at boot: rules live in the kernel alone. Loading it twice is the
// same as once. It fails with any protocol but nftables.
func (r *Router) Script(ctx context.Context) (string, error) {
	n, ok := r.device.(*nftables.Router)
	if !ok {
		return "", fmt.Errorf("the router is spoken to by %s: only rules of nftables have to be restored at boot",
			r.Protocol())
	}
	return n.Script(ctx)
}

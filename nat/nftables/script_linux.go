package nftables

import (
	"context"
	"fmt"
	"strings"
)

// Script returns every site's forwards in mailpub's table as text for nft(8), to be loaded at
// boot: rules live in the kernel alone. Loading it twice is the same as once.
func (n *Router) Script(ctx context.Context) (string, error) {
	rules, err := n.rules(ctx)
	if err != nil {
		return "", err
	}

	holes, err := n.pinholeScript(ctx)
	if err != nil {
		return "", err
	}

	var b strings.Builder
	fmt.Fprintf(&b, "#!/usr/sbin/nft -f\n# The current forwards of mailpub.\ntable ip %s\ndelete table ip %s\n",
		nftTable, nftTable)

	fmt.Fprintf(&b, "table ip %s {\n\tchain %s {\n\t\ttype nat hook prerouting priority %d; policy accept;\n",
		nftTable, nftChain, nftPriority)

	for _, r := range rules {
		if r.own() {
			fmt.Fprintf(&b, "\t\tiifname %q %s dport %d dnat to %s comment %q\n", r.dev,
				r.Proto, r.Number, r.to, r.comment)
		}
	}

	b.WriteString("\t}\n}\n")
	return b.String() + holes, nil
}

// pinholeScript is the same for pinholes; "" where there are none.
func (n *Router) pinholeScript(ctx context.Context) (string, error) {
	conn, err := n.dial()
	if err != nil {
		return "", err
	}

	holes, _, err := (&Pinholes{n}).list(ctx, conn)
	if err != nil || len(holes) == 0 {
		return "", err
	}

	var b strings.Builder
	fmt.Fprintf(&b, "table ip6 %s\ndelete table ip6 %s\n", nftTable, nftTable)
	fmt.Fprintf(&b, "table ip6 %s {\n\tchain %s {\n\t\ttype filter hook forward priority %d; policy accept;\n",
		nftTable, holeChain, holePriority)

	for _, h := range holes {
		fmt.Fprintf(&b, "\t\tiifname %q ip6 daddr %s %s dport %d meta mark set meta mark or %#x accept comment %q\n",
			n.wanDev, h.to.Host, h.Transport(), h.Number, holeMark, h.comment)
	}

	b.WriteString("\t}\n}\n")
	return b.String(), nil
}

package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/google/nftables"
)

// hostFirewall plays the rules for a packet to a port of this host.
func hostFirewall(ctx context.Context, dev string, to netip.AddrPort, proto string) (state, why, hint string) {
	hint = fmt.Sprintf("let the host's firewall accept %s/%d from everywhere, such as by ufw allow %d/%s or firewall-cmd --add-port=%d/%s",
		proto, to.Port(), to.Port(), proto, to.Port(), proto)
	conn, err := nftables.New()
	if err != nil {
		return "unknown", err.Error(), "run mailpub as root"
	}
	why, err = blocked(ctx, conn, nftables.ChainHookInput, packet{in: dev, to: to, udp: proto == "udp"})
	switch {
	case errors.Is(err, os.ErrPermission):
		return "unknown", "only root may read the firewall's rules", "run mailpub as root"
	case err != nil:
		return "unknown", err.Error(), hint
	case why != "":
		return "blocked", why, hint
	}
	// The older kernel interface, whose rules nftables does not show.
	if names, err := os.ReadFile("/proc/net/ip_tables_names"); err == nil && strings.Contains(string(names), "filter") {
		return "unknown", "rules of iptables-legacy are not read", "look with iptables-legacy -S INPUT"
	}
	return "open", "", ""
}

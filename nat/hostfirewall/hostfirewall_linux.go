package hostfirewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"

	"github.com/mailpub/mailpub/nat/netfilter"
)

// hostFirewall plays the rules for a packet to a port of this host.
func hostFirewall(ctx context.Context, dev string, to netip.AddrPort, proto string) (state, why, hint string) {
	hint = "let the host's firewall accept " +
		fmt.Sprintf("%s/%d from everywhere", proto, to.Port())

	conn, err := nftables.New()
	if err != nil {
		return "unknown", err.Error(), "run mailpub as root"
	}

	why, err = netfilter.Blocked(ctx, conn, nftables.ChainHookInput, netfilter.Packet{
		In:  dev,
		To:  to,
		UDP: proto == "udp",
	})

	switch {
	case errors.Is(err, os.ErrPermission):
		return "unknown", "only root may read the firewall's rules", "run mailpub as root"
	case err != nil:
		return "unknown", err.Error(), hint
	case why != "":
		chains, _ := conn.ListChains() // without, the rules have no name
		switch port := fmt.Sprintf("%d/%s", to.Port(), proto); manager(chains, why) {
		case "ufw":
			return "blocked", "ufw: " + why, "ufw allow " + port
		case "firewalld":
			return "blocked", "firewalld: " +
					why, fmt.Sprintf("firewall-cmd --permanent --add-port=%s && firewall-cmd --reload",
					port)
		}

		return "blocked", why, hint
	}

	// The older kernel interface, whose rules nftables does not show.
	if names, err := os.ReadFile("/proc/net/ip_tables_names"); err == nil &&
		strings.Contains(string(names), "filter") {
		return "unknown", "rules of iptables-legacy are not read", "look with iptables-legacy -S INPUT"
	}

	return "open", "", ""
}

// manager names the program whose rules stop a packet, by its marks: firewalld has a table of
// its name; ufw fills the tables of iptables-nft with chains that begin with its.
func manager(chains []*nftables.Chain, why string) string {
	if strings.Contains(why, " inet firewalld ") {
		return "firewalld"
	}

	ufw := slices.ContainsFunc(chains, func(c *nftables.Chain) bool {
		return (c.Name == "ufw-user-input" || c.Name == "ufw6-user-input") &&
			strings.Contains(why, " "+netfilter.Family(c.Table.Family)+" "+c.Table.Name+" ")
	})

	if ufw {
		return "ufw"
	}

	return ""
}

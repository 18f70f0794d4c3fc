package hostfirewall

import (
	"context"
	"net/netip"
	"runtime"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan"
)

// Finding is what this host's own firewall does with a port that the router forwards to it.
type Finding struct {
	Name  string `json:"name"`  // of the forward: "tcp/25"
	Port  string `json:"port"`  // inside: "tcp/25"
	State string `json:"state"` // "open", "blocked" or "unknown"
	Why   string `json:"why,omitempty"`
	Hint  string `json:"hint,omitempty"` // what to do
}

// Firewall looks at the firewall of the host that it runs on, which should be the mail
// server, for each forward. It changes nothing and sends nothing. On Linux it plays the
// kernel's nftables rules of the input hook, in which firewalld's, ufw's and iptables-nft's
// are, for a packet from outside, and names ufw and firewalld; on Windows it asks PowerShell
// for the rules of Defender Firewall. What it can't follow is unknown, never open. Not seen
// are rules of iptables-legacy, of eBPF, of hooks before input, and firewalls of other
// systems.
func Inspect(ctx context.Context, wanted []plan.Item) []Finding {
	found := make([]Finding, 0, len(wanted))
	for _, w := range wanted {
		f := Finding{Name: w.Key.Name, State: "unknown"}
		p, err := forward.ParsePort(w.Key)
		var to forward.Target
		if err == nil {
			to, err = forward.ParseTarget(w.Lines)
		}

		if err != nil {
			f.Why = err.Error()
			found = append(found, f)
			continue
		}

		f.Port = forward.Port{Proto: p.Proto, Number: to.Port}.String()
		host := netip.MustParseAddr(to.Host) // parseTarget has seen to it
		if dev, own := gateway.InterfaceOf(host); !own {
			f.Why = to.Host + " is not this host"
			f.Hint = "run mailpub on the mail server"
		} else {
			f.State, f.Why, f.Hint = hostFirewall(ctx, dev, netip.AddrPortFrom(host, to.Port),
				p.Transport())
		}

		found = append(found, f)
	}

	return found
}

// searchPort stands for the port of a socket that searches for routers, which the system chooses.
const searchPort = 50000

// SearchAnswers says why the host's firewall drops the answers to a search for routers; "" where
// it lets them in, or that is not known. They come from another address than was asked, a group,
// so that to a firewall nobody asked for them. On Linux only: elsewhere it takes too long to ask.
func SearchAnswers(ctx context.Context) string {
	gateways, err := gateway.Default()
	if err != nil || len(gateways) == 0 || runtime.GOOS != "linux" {
		return ""
	}

	dev, _ := gateway.InterfaceOf(gateways[0])
	local := gateway.SourceAddr(gateways[0].String())
	if dev == "" || !local.IsValid() {
		return ""
	}

	state, why, _ := hostFirewall(ctx, dev, netip.AddrPortFrom(local, searchPort), "udp")
	if state != "blocked" {
		return ""
	}

	return why
}

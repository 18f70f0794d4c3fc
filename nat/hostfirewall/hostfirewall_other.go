//go:build !linux && !windows

package hostfirewall

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
)

func hostFirewall(_ context.Context, _ string, to netip.AddrPort, proto string) (state, why, hint string) {
	hint = fmt.Sprintf("look in the firewall's settings that %s/%d may come in", proto, to.Port())
	return "unknown", "the firewall of " + runtime.GOOS + " is not checked", hint
}

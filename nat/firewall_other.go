//go:build !linux

package nat

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
)

func hostFirewall(_ context.Context, _ string, to netip.AddrPort, proto string) (state, why, hint string) {
	hint = fmt.Sprintf("look in the firewall's settings that %s/%d may come in", proto, to.Port())
	if runtime.GOOS == "windows" {
		hint = fmt.Sprintf("netsh advfirewall firewall add rule name=mailpub dir=in action=allow protocol=%s localport=%d lets it in", proto, to.Port())
	}
	return "unknown", "the firewall of " + runtime.GOOS + " is not looked at", hint
}

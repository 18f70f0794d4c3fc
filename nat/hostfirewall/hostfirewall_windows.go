package hostfirewall

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"time"
)

// defenderQuery makes PowerShell tell what Windows Defender Firewall has in force, with
// numbers for what it else names in the system's language.
const defenderQuery = `$ErrorActionPreference='Stop';` +
	`@{profiles=@(Get-NetFirewallProfile -PolicyStore ActiveStore|Select-Object Name,@{n='Enabled';e={[int]$_.Enabled}},@{n='Inbound';e={[int]$_.DefaultInboundAction}});` +
	`connections=@(Get-NetConnectionProfile|Select-Object InterfaceAlias,@{n='Category';e={[int]$_.NetworkCategory}});` +
	`rules=@(Get-NetFirewallRule -PolicyStore ActiveStore -Direction Inbound -Enabled True|Select-Object InstanceID,DisplayName,@{n='Action';e={[int]$_.Action}},@{n='Profile';e={[int]$_.Profile}});` +
	`ports=@(Get-NetFirewallPortFilter -PolicyStore ActiveStore|Select-Object InstanceID,Protocol,LocalPort);` +
	`programs=@(Get-NetFirewallApplicationFilter -PolicyStore ActiveStore|Select-Object InstanceID,Program);` +
	`addresses=@(Get-NetFirewallAddressFilter -PolicyStore ActiveStore|Select-Object InstanceID,RemoteAddress)}|ConvertTo-Json -Depth 4 -Compress`

// hostFirewall asks PowerShell for the rules that are in force, which takes it seconds, and
// looks whether they let a port in.
func hostFirewall(ctx context.Context, dev string, to netip.AddrPort, proto string) (state, why, hint string) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "powershell.exe", "-NoProfile", "-NonInteractive", "-Command", defenderQuery).Output()
	if err != nil {
		return "unknown", fmt.Sprintf("PowerShell does not tell the firewall's rules: %v", err), "run mailpub as administrator"
	}
	rules, err := parseWindowsFirewall(out)
	if err != nil {
		return "unknown", err.Error(), windowsFirewallHint(proto, to.Port())
	}
	return rules.connectionState(dev, proto, to.Port())
}

package hostfirewall

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/nat/forward"
)

// windowsFirewall is the answer to the query of firewall_windows.go. The numbers are those of the MSFT_NetFirewall classes of WMI.
type windowsFirewall struct {
	Profiles []struct {
		Name             string // "Domain", "Private" or "Public"
		Enabled, Inbound int
	}
	Connections []struct {
		InterfaceAlias string
		Category       int // 0 public, 1 private, 2 domain
	}
	Rules []struct {
		InstanceID, DisplayName string
		Action, Profile         int
	}
	Ports []struct {
		InstanceID, Protocol string
		LocalPort            stringList
	}
	Programs  []struct{ InstanceID, Program string }
	Addresses []struct {
		InstanceID    string
		RemoteAddress stringList
	}
}

const (
	defenderAllow = 2
	defenderBlock = 4
)

// stringList is what PowerShell writes as one string or as a list of them.
type stringList []string

func (w *stringList) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*w = stringList{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(w))
}

func (w stringList) any() bool { return len(w) == 0 || slices.Contains(w, "Any") }

func parseWindowsFirewall(data []byte) (d windowsFirewall, err error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fmt.Errorf("the firewall's rules are in no known form: %w", err)
	}
	if len(d.Profiles) == 0 {
		return d, fmt.Errorf("the firewall tells no profile")
	}

	return d, nil
}

// connectionState says what becomes of a connection from the Internet to a port, which comes in by a
// network interface. A rule that blocks beats those that allow.
func (d windowsFirewall) connectionState(dev, proto string, port uint16) (state, why, hint string) {
	hint = windowsFirewallHint(proto, port)
	name, bit := "Public", 4 // what Windows takes a network for that it does not know
	for _, c := range d.Connections {
		if strings.EqualFold(c.InterfaceAlias, dev) && c.Category == 1 {
			name, bit = "Private", 2
		} else if strings.EqualFold(c.InterfaceAlias, dev) && c.Category == 2 {
			name, bit = "Domain", 1
		}
	}

	inbound := 0
	for _, p := range d.Profiles {
		if strings.EqualFold(p.Name, name) {
			if p.Enabled != 1 {
				return "open", "", ""
			}
			inbound = p.Inbound
		}
	}

	allowed := inbound == defenderAllow
	doubt := ""
	for _, r := range d.Rules {
		if r.Profile != 0 && r.Profile&bit == 0 || !d.covers(r.InstanceID, proto, port) {
			continue
		}

		switch only, out := d.narrow(r.InstanceID); {
		case out:
		case only != "":
			doubt = fmt.Sprintf("rule %q is for %s alone",
				forward.Printable(r.DisplayName, 60), only)
		case r.Action == defenderBlock:
			return "blocked", fmt.Sprintf("Windows Defender Firewall: rule %q blocks it",
				forward.Printable(r.DisplayName, 60)), "disable that rule, then: " + hint
		case r.Action == defenderAllow:
			allowed = true
		}
	}

	switch {
	case doubt != "":
		return "unknown", "Windows Defender Firewall: " + doubt, hint
	case allowed:
		return "open", "", ""
	}

	return "blocked", fmt.Sprintf("Windows Defender Firewall: no rule of the %s profile lets it in",
		strings.ToLower(name)), hint
}

// covers reports whether a rule is for a port.
func (d windowsFirewall) covers(id, proto string, port uint16) bool {
	numbers := map[string]string{"tcp": "6", "udp": "17"}
	for _, f := range d.Ports {
		if f.InstanceID != id {
			continue
		}
		if f.Protocol != "Any" && !strings.EqualFold(f.Protocol, proto) &&
			f.Protocol != numbers[proto] {
			return false
		}

		return f.LocalPort.any() || slices.ContainsFunc(f.LocalPort, func(s string) bool {
			from, to, isRange := strings.Cut(s, "-")
			low, err := strconv.ParseUint(from, 10, 16)
			high := low
			if isRange && err == nil {
				high, err = strconv.ParseUint(to, 10, 16)
			}
			return err == nil && uint64(port) >= low && uint64(port) <= high
		})
	}

	return false
}

// narrow says what a rule is confined to; out reports that it is not for the Internet.
func (d windowsFirewall) narrow(id string) (only string, out bool) {
	for _, f := range d.Programs {
		if f.InstanceID == id && f.Program != "" && f.Program != "Any" {
			only = forward.Printable(f.Program, 120)
		}
	}

	for _, f := range d.Addresses {
		if f.InstanceID != id || f.RemoteAddress.any() ||
			slices.Contains(f.RemoteAddress, "Internet") {
			continue
		}
		if slices.Equal(f.RemoteAddress, stringList{"LocalSubnet"}) {
			return "", true
		}

		only = forward.Printable(strings.Join(f.RemoteAddress, ", "), 120)
	}

	return only, false
}

func windowsFirewallHint(proto string, port uint16) string {
	return fmt.Sprintf("netsh advfirewall firewall add rule name=\"mailpub %s %d\" dir=in action=allow protocol=%s localport=%d",
		proto, port, proto, port)
}

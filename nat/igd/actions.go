package igd

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Error codes of UPnP and of WANIPConnection.
const (
	errInvalidAction  = 401
	errInvalidArgs    = 402
	errActionFailed   = 501
	errNotAuthorized  = 606
	errIndexInvalid   = 713
	errNoSuchEntry    = 714
	errWildcardPort   = 716
	errConflict       = 718
	errWildcardInside = 732
	longestLease      = 604800 * time.Second // WANIPConnection:2, PortMappingLeaseDuration
	permanent         = time.Duration(0)
	statusConnected   = "Connected"
)

func upper(proto string) string { return strings.ToUpper(proto) }

func (d *Device) actions() map[string]func(Call) ([]arg, int) {
	return map[string]func(Call) ([]arg, int){
		"AddPortMapping":              d.addPortMapping,
		"DeletePortMapping":           d.deletePortMapping,
		"GetSpecificPortMappingEntry": d.getSpecific,
		"GetGenericPortMappingEntry":  d.getGeneric,
		"GetExternalIPAddress":        d.getExternal,
		"GetStatusInfo":               d.getStatus,
	}
}

// portOf reads the two arguments that name a mapping.
func portOf(c Call) (port, int) {
	n, err := strconv.ParseUint(c.Args["NewExternalPort"], 10, 16)
	p := port{upper(c.Args["NewProtocol"]), uint16(n)}
	if err != nil || p.proto != "TCP" && p.proto != "UDP" {
		return p, errInvalidArgs
	}
	return p, 0
}

func (d *Device) addPortMapping(c Call) ([]arg, int) {
	p, code := portOf(c)
	if code != 0 {
		return nil, code
	}

	inside, err := strconv.ParseUint(c.Args["NewInternalPort"], 10, 16)
	client, err2 := netip.ParseAddr(c.Args["NewInternalClient"])
	seconds, err3 := strconv.ParseUint(c.Args["NewLeaseDuration"], 10, 32)
	enabled := c.Args["NewEnabled"]
	on := enabled == "1" || enabled == "true" || enabled == "yes"
	held := d.mappings[p]

	switch {
	case err != nil || err2 != nil || err3 != nil:
		return nil, errInvalidArgs
	case p.number == 0:
		return nil, errWildcardPort
	case inside == 0:
		return nil, errWildcardInside
	case !d.cfg.External.IsValid():
		return nil, errActionFailed
	case d.cfg.Secure && client != c.From:
		return nil, errConflict
	case held != nil && held.Internal.Addr() != client:
		return nil, errConflict
	}

	lease := time.Duration(seconds) * time.Second
	if d.cfg.Version == 2 && (lease == permanent || lease > longestLease) {
		lease = longestLease // nothing is for ever in IGD 2
	}

	m := Mapping{
		Proto:       strings.ToLower(p.proto),
		External:    p.number,
		Internal:    netip.AddrPortFrom(client, uint16(inside)),
		Description: c.Args["NewPortMappingDescription"],
		Enabled:     on,
	}

	if lease != permanent {
		m.Expires = d.cfg.Now().Add(lease)
	}

	if err := d.put(p, m); err != nil {
		d.cfg.Logger.Error("no listener for a mapping", "port", p.number, "error", err)
		return nil, errActionFailed
	}

	return nil, 0
}

func (d *Device) deletePortMapping(c Call) ([]arg, int) {
	p, code := portOf(c)
	if code != 0 {
		return nil, code
	}

	held := d.mappings[p]
	if held == nil {
		return nil, errNoSuchEntry
	}
	if d.cfg.Secure && held.Internal.Addr() != c.From {
		return nil, errNotAuthorized
	}

	d.drop(p)
	return nil, 0
}

func (d *Device) getSpecific(c Call) ([]arg, int) {
	p, code := portOf(c)
	if code != 0 {
		return nil, code
	}

	m := d.mappings[p]
	if m == nil {
		return nil, errNoSuchEntry
	}

	return d.entry(m), 0
}

func (d *Device) getGeneric(c Call) ([]arg, int) {
	i, err := strconv.Atoi(c.Args["NewPortMappingIndex"])
	if err != nil {
		return nil, errInvalidArgs
	}

	all := d.ports()
	if i < 0 || i >= len(all) {
		return nil, errIndexInvalid
	}

	head := outputArgs("NewRemoteHost", "", "NewExternalPort", strconv.Itoa(int(all[i].number)),
		"NewProtocol", all[i].proto)

	return append(head, d.entry(d.mappings[all[i]])...), 0
}

func (d *Device) entry(m *mapping) []arg {
	enabled, left := "0", 0
	if m.Enabled {
		enabled = "1"
	}

	if !m.Expires.IsZero() {
		left = int((m.Expires.Sub(d.cfg.Now()) + time.Second - 1) / time.Second)
	}

	return outputArgs("NewInternalPort", strconv.Itoa(int(m.Internal.Port())),
		"NewInternalClient",
		m.Internal.Addr().String(),
		"NewEnabled", enabled, "NewPortMappingDescription", m.Description, "NewLeaseDuration",
		strconv.Itoa(left))
}

func (d *Device) getExternal(Call) ([]arg, int) {
	address := ""
	if d.cfg.External.IsValid() {
		address = d.cfg.External.String()
	}
	return outputArgs("NewExternalIPAddress", address), 0
}

func (d *Device) getStatus(Call) ([]arg, int) {
	return outputArgs("NewConnectionStatus", statusConnected, "NewLastConnectionError",
		"ERROR_NONE",
		"NewUptime", "1"), 0
}

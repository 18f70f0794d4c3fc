package igd

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"time"
)

// port is an external port: what a mapping is for.
type port struct {
	proto  string // "TCP" or "UDP"
	number uint16
}

// Mapping is one port mapping, as people and tests see it.
type Mapping struct {
	Proto       string // "tcp" or "udp"
	External    uint16
	Internal    netip.AddrPort
	Description string
	Enabled     bool
	Expires     time.Time // zero: never
}

type mapping struct {
	Mapping
	wan *wan // nil for UDP and while disabled
}

// expire closes and forgets what has lapsed. The caller holds d.mu.
func (d *Device) expire() {
	now := d.cfg.Now()
	for p, m := range d.mappings {
		if !m.Expires.IsZero() && !now.Before(m.Expires) {
			d.drop(p)
		}
	}
}

// drop forgets a mapping and cuts what runs through it. The caller holds d.mu.
func (d *Device) drop(p port) {
	if m := d.mappings[p]; m != nil {
		delete(d.mappings, p)
		m.wan.close()
	}
}

// put adds or replaces a mapping. The caller holds d.mu.
func (d *Device) put(p port, m Mapping) error {
	if err := d.ctx.Err(); err != nil {
		return err // the device is closing
	}

	d.drop(p)
	made := &mapping{Mapping: m}
	if m.Enabled && p.proto == "TCP" {
		w, err := d.openWAN(m)
		if err != nil {
			return err
		}
		made.wan = w
	}

	d.mappings[p] = made
	return nil
}

// ports returns the mapped ports in order. The caller holds d.mu.
func (d *Device) ports() []port {
	var all []port
	for p := range d.mappings {
		all = append(all, p)
	}

	slices.SortFunc(all, func(a, b port) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.proto, b.proto))
	})

	return all
}

// Mappings returns what is mapped now, ordered by external port.
func (d *Device) Mappings() []Mapping {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.expire()
	var all []Mapping
	for _, p := range d.ports() {
		all = append(all, d.mappings[p].Mapping)
	}

	return all
}

// Set maps a port, or replaces what is mapped there, whoever it belongs to: what a
// person does in the router's own web pages.
func (d *Device) Set(m Mapping) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.put(port{upper(m.Proto), m.External}, m)
}

// SetExternal gives the router another WAN address, as a provider does.
func (d *Device) SetExternal(a netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cfg.External = a
}

// Remove takes a mapping away, whoever it belongs to.
func (d *Device) Remove(proto string, external uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(port{upper(proto), external})
}

// Reboot forgets every mapping and cuts every connection through them.
func (d *Device) Reboot() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for p := range d.mappings {
		d.drop(p)
	}
}

// WANAddr returns where outsiders reach a mapped external TCP port. It is a port on
// loopback chosen by the system, as low ports need root. The second value is false
// when the port is not mapped.
func (d *Device) WANAddr(external uint16) (net.Addr, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.expire()
	m := d.mappings[port{"TCP", external}]
	if m == nil || m.wan == nil {
		return nil, false
	}

	return m.wan.listener.Addr(), true
}

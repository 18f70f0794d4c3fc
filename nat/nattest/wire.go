package nattest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Offsets in a PCP message (RFC 6887 sections 7.1, 7.2 and 11.1), for scripts.
const (
	PCPResult   = 3
	PCPEpoch    = 8
	PCPNonce    = 24
	PCPInternal = 40
	PCPExternal = 42
	PCPAddress  = 44
	pcpHeader   = 24
	pcpMap      = 60
)

// Codes of both protocols.
const (
	unsupported   = 1 // version
	notAuthorised = 2 // of PCP
	badOpcode     = 4 // of PCP
)

// answer returns the proper answer to a request; nil where none is due.
func (b *Box) answer(q []byte) []byte {
	switch {
	case q[0] == 2 && !b.state.NoPCP && len(q) >= pcpHeader && q[1]&0x80 == 0:
		return b.pcp(q)
	case q[0] == 2: // RFC 6887 appendix A: NAT-PMP knows no other version than 0
		return binary.BigEndian.AppendUint32([]byte{0, q[1] | 0x80, 0, unsupported},
			b.state.Epoch)
	case q[0] == 0 && !b.state.NoPMP && q[1]&0x80 == 0:
		return b.pmp(q)
	case q[0] == 0: // RFC 6887 section 9
		a := make([]byte, pcpHeader)
		a[0], a[1], a[PCPResult] = 2, q[1]|0x80, unsupported
		binary.BigEndian.PutUint32(a[PCPEpoch:], b.state.Epoch)
		return a
	}

	return nil
}

// pmp plays the server's side of RFC 6886 sections 3.2 to 3.4.
func (b *Box) pmp(q []byte) []byte {
	a := []byte{0, q[1] | 0x80, 0, b.state.Result}
	a = binary.BigEndian.AppendUint32(a, b.state.Epoch)
	if q[1] == 0 {
		ip := b.state.External.As4()
		return append(a, ip[:]...)
	}

	if len(q) < 12 {
		return nil
	}

	in := inside{"tcp", binary.BigEndian.Uint16(q[4:])}
	if q[1] == 1 {
		in.proto = "udp"
	}

	lifetime := binary.BigEndian.Uint32(q[8:])
	external := uint16(0)
	if b.state.Result == 0 {
		external, _ = b.grant(in, binary.BigEndian.Uint16(q[6:]), "", lifetime)
	}

	a = binary.BigEndian.AppendUint16(a, in.port)
	a = binary.BigEndian.AppendUint16(a, external)
	return binary.BigEndian.AppendUint32(a, lifetime)
}

// pcp plays the server's side of RFC 6887 sections 8.2 and 11.3.
func (b *Box) pcp(q []byte) []byte {
	a := append([]byte{}, q...)
	a[1] |= 0x80
	a[PCPResult] = b.state.Result
	clear(a[PCPEpoch:pcpHeader])
	binary.BigEndian.PutUint32(a[PCPEpoch:], b.state.Epoch)

	switch {
	case q[1] == 0:
		return a[:pcpHeader] // ANNOUNCE
	case q[1] != 1 || len(q) < pcpMap:
		a[PCPResult] = badOpcode
		return a[:pcpHeader]
	}

	a = a[:pcpMap] // the options that were understood need not be repeated
	ip := b.state.External.As16()
	copy(a[PCPAddress:], ip[:])

	if b.state.NoMap != 0 {
		a[PCPResult] = b.state.NoMap
	}

	if a[PCPResult] != 0 {
		return a
	}

	in := inside{"tcp", binary.BigEndian.Uint16(q[PCPInternal:])}
	if q[PCPNonce+12] == 17 {
		in.proto = "udp"
	}

	external, ok := b.grant(in, binary.BigEndian.Uint16(q[PCPExternal:]),
		string(q[PCPNonce:PCPNonce+12]), binary.BigEndian.Uint32(q[4:]))

	if !ok {
		a[PCPResult] = notAuthorised
	}

	binary.BigEndian.PutUint16(a[PCPExternal:], external)
	return a
}

// PMPAnnouncement is what a router says by NAT-PMP after a restart and when its address has
// changed (RFC 6886 section 3.2.1).
func PMPAnnouncement(epoch uint32, external netip.Addr) []byte {
	ip := external.As4()
	return append(binary.BigEndian.AppendUint32([]byte{0, 0x80, 0, 0}, epoch), ip[:]...)
}

// PCPAnnouncement is what it says by PCP (RFC 6887 section 14.1.1).
func PCPAnnouncement(epoch uint32) []byte {
	a := make([]byte, pcpHeader)
	a[0], a[1] = 2, 0x80
	binary.BigEndian.PutUint32(a[PCPEpoch:], epoch)
	return a
}

// Notice is what it says by SSDP: nts is "ssdp:alive", "ssdp:byebye" or "ssdp:update", more
// further header lines (UPnP Device Architecture 1.1, section 1.2).
func Notice(nts string, more ...string) []byte {
	const kind = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
	text := fmt.Sprintf("NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: %s\r\nNTS: %s\r\nUSN: uuid:1::%s\r\n",
		kind, nts, kind)
	for _, line := range more {
		text += line + "\r\n"
	}
	return []byte(text + "\r\n")
}

package nat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/plan/netaddr"
)

// The Port Control Protocol on the wire (RFC 6887).

const (
	pcpVersion  = 2
	pcpMaxSize  = 1100 // octets of a message, section 7
	opAnnounce  = 0    // section 14.1
	opMap       = 1    // section 11
	pcpReply    = 0x80
	headerSize  = 24
	mapSize     = 36
	optPrefer   = 2 // PREFER_FAILURE, section 13.2
	pcpRangeTCP = 6
	pcpRangeUDP = 17
)

// pcpNonce ties a mapping to whoever made it: only a request with the same nonce may
// delete it (section 11.1).
type pcpNonce [12]byte

// mapRequest asks for a mapping, or with a lifetime of zero for its end.
type mapRequest struct {
	client   netip.Addr // this host
	nonce    pcpNonce
	proto    string
	internal uint16
	external uint16
	suggest  netip.Addr // external address; the unspecified one of the family where any will do
	lifetime time.Duration
	anyPort  bool // do not say that another external port is of no use
}

func pcpHeader(opcode byte, client netip.Addr, lifetime time.Duration) []byte {
	b := make([]byte, headerSize)
	b[0], b[1] = pcpVersion, opcode
	binary.BigEndian.PutUint32(b[4:], seconds(lifetime))
	ip := client.As16() // IPv4 as ::ffff:a.b.c.d, section 5
	copy(b[8:], ip[:])
	return b
}

func announceRequest(client netip.Addr) []byte { return pcpHeader(opAnnounce, client, 0) }

func (m mapRequest) encode() []byte {
	b := append(pcpHeader(opMap, m.client, m.lifetime), make([]byte, mapSize)...)
	d := b[headerSize:]
	copy(d, m.nonce[:])
	d[12] = pcpProto(m.proto)
	binary.BigEndian.PutUint16(d[16:], m.internal)
	binary.BigEndian.PutUint16(d[18:], m.external)
	ip := m.suggest.As16()
	copy(d[20:], ip[:])

	if m.lifetime > 0 && m.external != 0 && !m.anyPort { // neither with a delete nor where any port will do, section 13.2
		b = append(b, optPrefer, 0, 0, 0)
	}

	return b
}

func pcpProto(proto string) byte {
	if proto == "udp" {
		return pcpRangeUDP
	}
	return pcpRangeTCP
}

// pcpAnswer is a response. The fields of a mapping are those of a MAP response.
type pcpAnswer struct {
	opcode   byte
	code     byte
	lifetime time.Duration // of an error: how long to take it for granted
	epoch    uint32        // seconds

	nonce    pcpNonce
	proto    byte
	internal uint16
	external uint16
	address  netip.Addr
}

var errNotPCP = errors.New("not a PCP response")

// decodePCP reads a response. A NAT-PMP router's refusal of the version is one as well
// (RFC 6887 section 9, appendix A).
func decodePCP(b []byte) (a pcpAnswer, err error) {
	if len(b) >= 4 && b[0] == 0 && b[1]&pcpReply != 0 {
		return pcpAnswer{code: codeVersion}, nil
	}
	if len(b) < headerSize || len(b) > pcpMaxSize || len(b)%4 != 0 || b[0] != pcpVersion ||
		b[1]&pcpReply == 0 {
		return a, errNotPCP
	}

	a.opcode = b[1] &^ pcpReply
	a.code = b[3]
	a.lifetime = time.Duration(binary.BigEndian.Uint32(b[4:])) * time.Second
	a.epoch = binary.BigEndian.Uint32(b[8:])

	if a.opcode != opMap {
		return a, nil
	}

	d := b[headerSize:]
	if len(d) < mapSize {
		return a, errNotPCP
	}

	copy(a.nonce[:], d)
	a.proto = d[12]
	a.internal = binary.BigEndian.Uint16(d[16:])
	a.external = binary.BigEndian.Uint16(d[18:])
	a.address = netip.AddrFrom16([16]byte(d[20:36])).Unmap()

	return a, nil
}

// answers reports whether a is the answer to a request: the same opcode and, for a
// mapping, the same nonce, protocol and port inside (section 11.4).
func (a pcpAnswer) answers(request []byte) bool {
	if a.code == codeVersion {
		return true
	}
	if a.opcode != request[1] {
		return false
	}
	if a.opcode != opMap {
		return true
	}

	d := request[headerSize:]
	return bytes.Equal(a.nonce[:], d[:12]) && a.proto == d[12] &&
		a.internal == binary.BigEndian.Uint16(d[16:])
}

// Result codes (section 7.4).
const (
	codeVersion       = 1
	codeNotAuthorised = 2
	codeUnsuppOpcode  = 4
	codeUnsuppOption  = 5
	codeNetworkFail   = 7
	codeNoResources   = 8
	codeUnsuppProto   = 9
	codeQuota         = 10
	codeCannotProvide = 11
	codeMismatch      = 12
)

var pcpWords = []string{
	"success", "unsupported version", "not authorised", "malformed request",
	"unsupported opcode",
	"unsupported option", "malformed option", "network failure", "out of resources",
	"unsupported protocol",
	"over the quota", "this external port is unavailable",
	"the client's address was changed on the way",
	"too many remote peers",
}

// err makes an error of a result code.
func (a pcpAnswer) err() error {
	if a.code == 0 {
		return nil
	}

	text := "no known reason"
	if int(a.code) < len(pcpWords) {
		text = pcpWords[a.code]
	}

	no := &refusal{int(a.code), text}
	switch a.code {
	case codeNotAuthorised, codeQuota, codeCannotProvide:
		return fmt.Errorf("%w: %w", ErrRefused, no)
	case codeNetworkFail, codeNoResources:
		// miniupnpd says the latter when its WAN address is not public, and tells which.
		if a.address.IsValid() && !a.address.IsUnspecified() &&
			netaddr.NotPublic(a.address) != "" {
			return fmt.Errorf("%w: its WAN address is %s, %s: %w", ErrDoubleNAT, a.address,
				netaddr.NotPublic(a.address), no)
		}
		return fmt.Errorf("%w: %w", ErrRefused, no)
	case codeMismatch:
		return fmt.Errorf("%w: %w: there is another NAT between here and the router",
			ErrDoubleNAT, no)
	}

	return no
}

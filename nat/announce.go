package nat

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
)

// Event is something that a router announced by itself.
type Event struct {
	What     Happening  `json:"what"`
	Protocol string     `json:"protocol"` // that it was announced in: "upnp", "nat-pmp" or "pcp"
	Router   netip.Addr `json:"router"`
	Address  netip.Addr `json:"address,omitzero"` // of AddressChanged: the new one outside
	Why      string     `json:"why"`              // one line for people
}

// Happening is what an Event tells. What to do is the same for all: plan again.
type Happening string

const (
	Restarted      Happening = "restarted"       // its forwards may be gone
	AddressChanged Happening = "address changed" // outside
	Gone           Happening = "gone"            // its service says goodbye, and the forwards may go with it
)

// oneRestart is how long the signs of a restart in several protocols are taken for one.
const oneRestart = 10 * time.Second

// youngEpoch is the age up to which the first epoch that is heard tells of a restart.
const youngEpoch = 2 * time.Minute

// observer makes events of announcements. It keeps of each protocol what was said last.
type observer struct {
	router  netip.Addr // what others say does not count; not valid: the first who speaks
	now     func() time.Time
	address netip.Addr // outside
	epochs  map[string]epochAt
	boot    uint64 // BOOTID.UPNP.ORG; 0: none was told
	away    bool   // it said goodbye
	restart time.Time
}

type epochAt struct {
	epoch uint32
	at    time.Time
}

func newObserver(router, address netip.Addr, now func() time.Time) *observer {
	return &observer{
		router:  router,
		address: address,
		now:     now,
		epochs:  map[string]epochAt{},
	}
}

// isFromGateway reports whether a datagram from an address counts.
func (o *observer) isFromGateway(from netip.Addr) bool {
	if !o.router.IsValid() {
		o.router = from
	}
	return from == o.router
}

// announcement takes up what came to port 5350: by NAT-PMP an address (RFC 6886 section
// 3.2.1), by PCP an ANNOUNCE (RFC 6887 section 14.1.1). Both tell the epoch.
func (o *observer) announcement(b []byte, from netip.Addr) []Event {
	if len(b) >= 12 && b[0] == 0 && b[1] == 0x80 && binary.BigEndian.Uint16(b[2:]) == 0 &&
		o.isFromGateway(from) {
		events := o.epoch("nat-pmp", binary.BigEndian.Uint32(b[4:]), rebooted)
		return append(events, o.wanAddress(netip.AddrFrom4([4]byte(b[8:12])))...)
	}

	a, err := decodePCP(b)
	if err != nil || a.opcode != opAnnounce || a.code != 0 || !o.isFromGateway(from) {
		return nil
	}

	return o.epoch("pcp", a.epoch, epochInvalid)
}

// epoch compares an epoch with the one before; lost is the protocol's rule.
func (o *observer) epoch(protocol string, epoch uint32, lost func(then, now uint32, elapsed time.Duration) bool) []Event {
	now := o.now()
	last, known := o.epochs[protocol]
	o.epochs[protocol] = epochAt{epoch, now}
	age := time.Duration(epoch) * time.Second

	switch {
	case known && lost(last.epoch, epoch, now.Sub(last.at)):
		return o.restarted(protocol, fmt.Sprintf("its epoch is %d, and was %d %v ago", epoch,
			last.epoch, now.Sub(last.at).Round(time.Second)))
	case !known && age <= youngEpoch:
		return o.restarted(protocol, fmt.Sprintf("its epoch began %v ago", age))
	}

	return nil
}

func (o *observer) restarted(protocol, why string) []Event {
	now := o.now()
	if !o.restart.IsZero() && now.Sub(o.restart) < oneRestart {
		return nil
	}
	o.restart = now
	return []Event{{What: Restarted, Protocol: protocol, Router: o.router, Why: why}}
}

func (o *observer) wanAddress(a netip.Addr) []Event {
	was := o.address
	o.address = a
	if a == was || !was.IsValid() {
		return nil
	}
	return []Event{{What: AddressChanged, Protocol: "nat-pmp", Router: o.router, Address: a, Why: fmt.Sprintf("its address outside is %s, and was %s", a, was)}}
}

// notice is an announcement by SSDP (UPnP Device Architecture 1.1, section 1.2).
type notice struct {
	kind string // "ssdp:alive", "ssdp:byebye" or "ssdp:update"
	boot uint64 // 0: not told, as UPnP 1.0 knows none
}

// parseNotice reads the announcement of a router; of anything else it fails.
func parseNotice(b []byte) (n notice, err error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	if err != nil {
		return n, err
	}

	r.Body.Close()
	n.kind = r.Header.Get("Nts")
	if r.Method != "NOTIFY" || !strings.HasPrefix(r.Header.Get("Nt"), igdType) {
		return n, errors.New("not a router's announcement")
	}

	id := r.Header.Get("Bootid.upnp.org")
	if next := r.Header.Get("Nextbootid.upnp.org"); n.kind == "ssdp:update" && next != "" {
		id = next // it changes its networks, and did not restart
	}

	if id != "" {
		if n.boot, err = strconv.ParseUint(id, 10, 31); err != nil {
			return n, fmt.Errorf("boot id %q", forward.Printable(id, 20))
		}
	}

	return n, nil
}

// notify takes up what came to port 1900.
func (o *observer) notify(b []byte, from netip.Addr) []Event {
	n, err := parseNotice(b)
	if err != nil || !o.isFromGateway(from) {
		return nil
	}

	was := o.boot
	away := o.away
	if n.boot != 0 {
		o.boot = n.boot
	}

	switch n.kind {
	case "ssdp:byebye":
		if o.away = true; !away {
			return []Event{{What: Gone, Protocol: "upnp", Router: o.router, Why: "it says goodbye"}}
		}
	case "ssdp:alive":
		o.away = false
		switch {
		case was != 0 && n.boot != 0 && n.boot != was:
			return o.restarted("upnp", fmt.Sprintf("its boot id is %d, and was %d", n.boot,
				was))
		case away:
			return o.restarted("upnp", "it is back after its goodbye")
		}
	}

	return nil
}

package rfc2136

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/trace"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
)

// refusedTransfer is a transfer that the server does not make, by its code.
type refusedTransfer struct{ rcode int }

func (e refusedTransfer) Error() string {
	return "the server answers the zone transfer with " + dns.RcodeToString[e.rcode]
}

// full reports whether the server may only have had too much to do: it makes so many transfers
// at a time, and has no other words for that.
func (e refusedTransfer) full() bool {
	return e.rcode == dns.RcodeRefused || e.rcode == dns.RcodeServerFailure
}

// How often a transfer is asked for again: where it was turned away while others were under
// way, and where a server that answered before fell fellSilent.
const (
	triesTurnedAway = 12
	triesAlone      = 6 // a transfer that has just ended still counts for a moment
	triesSilent     = 3
)

// transfer lists the zone by AXFR (RFC 5936). Only what is at the names of sets is kept, however
// large the zone.
func (b *backend) transfer(ctx context.Context, sets []record.RRset, around ...string) (zone.Listing, error) {
	wanted := zone.Owners(sets, around...)
	var crowded, alone, silent int // tries that ended so
	for {
		l, lonely, err := b.transferOnce(ctx, wanted)
		refused := refusedTransfer{}
		again := false

		switch {
		case errors.As(err, &refused) && !refused.full():
		case errors.As(err, &refused) && lonely:
			alone++
			most := triesAlone
			if b.server.forbids.Load() {
				most = 3
			}
			again = alone < most && b.server.transferred.Load()
		case errors.As(err, &refused):
			crowded++
			again = crowded < triesTurnedAway
		case outcomeOf(err) == fellSilent:
			silent++
			again = silent < triesSilent && b.server.hasAnswered()
		}

		if !again {
			return l, err
		}

		b.log.Debug("no zone transfer; trying again", "zone", b.zone, "server", b.server.addr,
			"err", err)

		if err := zone.Sleep(ctx, 10*time.Millisecond<<min(crowded+alone+silent,
			6)); err != nil {
			return zone.Listing{}, err
		}
	}
}

// transferOnce also says whether nothing else was asked of the server meanwhile.
func (b *backend) transferOnce(ctx context.Context, wanted map[string]bool) (l zone.Listing, alone bool, err error) {
	end := trace.Start(ctx, "dns", b.server.addr, b.zone+" AXFR")
	defer func() { end(err) }()

	ticket, err := b.server.acquire(ctx)
	if err != nil {
		return zone.Listing{}, false, b.unreachable(err)
	}

	err = b.server.withConn(ctx, b.timeout, false, func(c *tcpConn) error {
		l = zone.NewListing()
		return b.axfr(c, l, wanted)
	})

	alone = b.server.wasAlone(ticket)
	if err == nil { // before the next one may begin
		b.server.transferred.Store(true)
	}

	refused := refusedTransfer{}
	if errors.As(err, &refused) && refused.full() {
		b.server.release(turnedAway, err)
	} else {
		b.server.release(outcomeOf(err), b.unreachable(err))
	}

	return l, alone, err
}

// axfr makes one transfer on a connection. Every message of it must be signed: RFC 8945
// section 5.3.1 would let up to 99 go without.
func (b *backend) axfr(c *tcpConn, l zone.Listing, wanted map[string]bool) error {
	m := new(dns.Msg).SetAxfr(b.zone)
	mac, err := c.send(m, b.key, b.timeout)
	if err != nil {
		return err
	}

	x := axfr{zone: b.zone, wanted: wanted, into: l}
	for first := true; !x.done; first = false {
		msg, err := c.receive(b.timeout)
		if err != nil {
			return err
		}
		if id := binary.BigEndian.Uint16(msg); id != m.Id {
			return fmt.Errorf("reply %d to question %d", id, m.Id)
		}
		if rcode := int(msg[3] & 0xf); rcode != dns.RcodeSuccess {
			return refusedTransfer{rcode}
		}

		tsig, err := x.take(msg)
		if err != nil {
			return err
		}
		if tsig == nil {
			return dns.ErrNoSig
		}
		if err := dns.TsigVerify(msg, b.key.secret, mac, !first); err != nil {
			return err
		}

		mac = tsig.MAC
	}

	return nil
}

// axfr reads the messages of a transfer, which begins and ends with the zone's SOA (RFC 5936
// section 2.2).
type axfr struct {
	zone   string
	wanted map[string]bool
	into   zone.Listing
	last   string // name of the record before
	soas   int
	done   bool
}

// take takes up one message, unpacking what is wanted, and returns its signature.
func (x *axfr) take(msg []byte) (*dns.TSIG, error) {
	count := func(at int) int { return int(binary.BigEndian.Uint16(msg[at:])) }
	off := 12
	for range count(4) {
		_, next, err := dns.UnpackDomainName(msg, off)
		if err != nil {
			return nil, err
		}
		off = next + 4
	}

	for range count(6) {
		next, err := x.Record(msg, off)
		if err != nil {
			return nil, err
		}
		off = next
	}

	var tsig *dns.TSIG
	for range count(8) + count(10) {
		rr, next, err := dns.UnpackRR(msg, off)
		if err != nil {
			return nil, err
		}

		if t, ok := rr.(*dns.TSIG); ok {
			tsig = t
		}

		off = next
	}

	return tsig, nil
}

func (x *axfr) Record(msg []byte, off int) (next int, err error) {
	name, at, err := dns.UnpackDomainName(msg, off)
	if err != nil {
		return 0, err
	}
	if at+10 > len(msg) {
		return 0, errors.New("a reply that is cut off")
	}

	rrtype := binary.BigEndian.Uint16(msg[at:])
	next = at + 10 + int(binary.BigEndian.Uint16(msg[at+8:]))
	if next > len(msg) {
		return 0, errors.New("a reply that is cut off")
	}

	name = strings.ToLower(name)
	switch {
	case x.done:
		return 0, errors.New("records after the end of the zone transfer")
	case x.soas == 0 && rrtype != dns.TypeSOA:
		return 0, errors.New("a zone transfer that does not begin with the zone's SOA")
	case rrtype == dns.TypeSOA && name == x.zone:
		x.soas++
		if x.done = x.soas == 2; x.done {
			return next, nil
		}
	}

	if name != x.last {
		x.into.SawBelow(name, x.wanted)
		x.last = name
	}

	if !x.wanted[name] {
		return next, nil
	}

	rr, _, err := dns.UnpackRR(msg, off)
	if err != nil {
		x.into.Add(record.Record{
			RRset: record.RRset{
				Name: mail.FQDN(name),
				Type: dns.TypeToString[rrtype],
			},
			Bad: err,
		})

		return next, nil
	}

	x.into.Add(record.FromRR(rr))
	return next, nil
}

package nat

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
)

// grantState is what is kept of a grant beside its time: enough to know later whether the
// router still has it, and for PCP the nonce, without which a mapping could be renewed but
// not be taken back.
type grantState struct {
	protocol string
	to       forward.Target
	gateway  netip.Addr
	epoch    uint32
	nonce    pcpNonce // of PCP
	id       uint16   // of a pinhole by UPnP
	noID     bool     // that is not known, as the run ended that asked for it
}

func (n grantState) String() string {
	s := fmt.Sprintf("%s to %s by %s epoch %d", n.protocol, n.to, n.gateway, n.epoch)
	switch n.protocol {
	case "pcp":
		s += fmt.Sprintf(" nonce %x", n.nonce[:])
	case "upnp":
		if n.noID {
			return s + " id ?"
		}
		s += fmt.Sprintf(" id %d", n.id)
	}

	return s
}

func parseNote(s string) (n grantState, ok bool) {
	f := strings.Fields(s)
	if len(f) < 7 || f[1] != "to" || f[3] != "by" || f[5] != "epoch" {
		return grantState{}, false
	}

	n.protocol = f[0]
	var errs [4]error
	n.to, errs[0] = forward.ParseTarget([]string{f[2]})
	n.gateway, errs[1] = netip.ParseAddr(f[4])
	var epoch, id uint64
	epoch, errs[2] = strconv.ParseUint(f[6], 10, 32)

	switch tail := f[7:]; {
	case n.protocol == "nat-pmp" && len(tail) == 0:
	case n.protocol == "pcp" && len(tail) == 2 && tail[0] == "nonce" &&
		len(tail[1]) == hex.EncodedLen(len(n.nonce)):
		_, errs[3] = hex.Decode(n.nonce[:], []byte(tail[1]))
	case n.protocol == "upnp" && len(tail) == 2 && tail[0] == "id" && tail[1] == "?":
		n.noID = true
	case n.protocol == "upnp" && len(tail) == 2 && tail[0] == "id":
		id, errs[3] = strconv.ParseUint(tail[1], 10, 16)
	default:
		return grantState{}, false
	}

	n.epoch = uint32(epoch)
	n.id = uint16(id)
	return n, errors.Join(errs[:]...) == nil
}

// pmpLease is asked for where no lease is given (RFC 6886 section 3.3 recommends it).
const pmpLease = 2 * time.Hour

// seconds rounds up, so that a lease is never shorter than asked for, nor for ever.
func seconds(d time.Duration) uint32 {
	return uint32(min((max(d, 0)+time.Second-1)/time.Second, math.MaxUint32))
}

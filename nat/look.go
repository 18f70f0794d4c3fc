package nat

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/netaddr"
)

// Report is what Look sees. It is plain data.
type Report struct {
	Device   string           `json:"device"`
	Protocol string           `json:"protocol"` // the one that is used
	Why      string           `json:"why"`
	Spoken   []ProtocolStatus `json:"protocols"` // each that a router was asked in
	WAN      WANAddress       `json:"wan"`
	Pinholes string           `json:"pinholes,omitempty"` // how ports of the server's IPv6 address are opened, or why not
	Forwards []ForwardStatus  `json:"forwards"`           // in the order of what was wanted

	// Others are the router's other forwards, where it lists them; OthersNote says why they are
	// not known, or not all.
	Others     []ForwardStatus `json:"others,omitempty"`
	OthersNote string          `json:"others_note,omitempty"`
}

// ProtocolStatus is what came of asking in one protocol.
type ProtocolStatus struct {
	Protocol string `json:"protocol"`
	Version  string `json:"version,omitempty"` // as the protocol writes it; "" where it did not answer
	Device   string `json:"device,omitempty"`
	Silent   string `json:"silent,omitempty"` // why it is not to be had
}

// WANAddress is the address that the router has outside.
type WANAddress struct {
	Address netip.Addr `json:"address,omitzero"`
	// Kind is "public", "private", "cgnat", "documentation", "other" or "unknown".
	Kind string `json:"kind"`
	Note string `json:"note,omitempty"` // what is the matter with it
}

// ForwardStatus is one port of the router.
type ForwardStatus struct {
	Name string `json:"name"` // "tcp/25"
	Want string `json:"want,omitempty"`
	Is   string `json:"is,omitempty"`
	// Owner is "ours", "another site", "stranger", "nobody" or "unknown". Ours is what bears
	// the site's mark or was granted to it.
	Owner       string    `json:"owner"`
	Description string    `json:"description,omitempty"`
	Expires     time.Time `json:"expires,omitzero"` // zero: it does not lapse, or that is not known
	Note        string    `json:"note,omitempty"`   // what stands in the way
}

// Status tells what there is, at a glance: the wanted ports, and what else the router lists. It
// writes nothing, but for the mapping by which PCP tells an address (RFC 6887 section 11.6). What
// could not be had is a note in the report; the error is ctx's alone.
func (r *Router) Status(ctx context.Context, wanted []plan.Item) (Report, error) {
	rep := Report{
		Device:   r.Device(),
		Protocol: r.Protocol(),
		Why:      r.ChoiceReason(),
		Spoken:   r.protocols(ctx),
		Pinholes: r.Pinholes(),
	}

	a, err := r.WAN(ctx)
	rep.WAN = WANAddress{Address: a, Kind: KindOf(a)}
	if err != nil {
		rep.WAN.Note = err.Error()
	}

	for _, w := range wanted {
		rep.Forwards = append(rep.Forwards, r.forwardStatus(ctx, w))
	}

	list, err := r.List(ctx)
	if err != nil {
		rep.OthersNote = err.Error()
	}

	rep.Others = otherForwards(list, wanted)
	if ctx.Err() != nil {
		return rep, context.Cause(ctx)
	}

	return rep, nil
}

func (r *Router) forwardStatus(ctx context.Context, w plan.Item) ForwardStatus {
	s := ForwardStatus{Name: w.Key.Name, Want: strings.Join(w.Lines, " "), Owner: "unknown"}
	p, err := forward.ParsePort(w.Key)
	var m *forward.Mapping
	if err == nil {
		m, err = r.lookupPort(ctx, p)
	}

	switch {
	case err != nil:
		s.Note = err.Error()
		return s
	case m == nil:
		s.Owner = "nobody"
		return s
	}

	s.Is = m.To.String()
	s.Description = forward.Printable(m.Description, 60)
	s.Owner = "stranger"
	// Some routers cut descriptions or write their own: what the ledger has, and leads where it
	// should, is ours by whatever name.
	_, granted := r.known(w.Key)

	if r.isOurs(*m) || granted && plan.EqualLines(m.Lines(), w.Lines) {
		s.Owner = "ours"
	}

	s.Expires = r.leaseEnd(*m)
	if what, err := r.Obstacle(ctx, w.Key, m.Lines()); err != nil {
		s.Note = err.Error()
	} else {
		s.Note = what
	}

	return s
}

// protocols asks in every protocol at once. With nftables, by hand, and where the config has
// a URL and no gateway there is no other router to ask than the one that is used.
func (r *Router) protocols(ctx context.Context) []ProtocolStatus {
	own := ProtocolStatus{Protocol: r.Protocol(), Version: r.version(), Device: r.Device()}
	if own.Version == "" || r.options.URL != "" && !r.options.Gateway.IsValid() {
		return []ProtocolStatus{own}
	}

	all := protocolOrder()
	out := make([]ProtocolStatus, len(all))
	done := make(chan int, len(all))

	for i, w := range all {
		out[i].Protocol = w.protocol
		go func() {
			defer func() { done <- i }()

			if w.protocol == r.Protocol() {
				out[i] = own
				return
			}

			d, _, err := w.open(ctx, r.options)
			if err != nil {
				out[i].Silent = withoutErrNoRouter(err).Error()
				return
			}

			out[i].Version, out[i].Device = (&Router{device: d}).version(), d.String()
		}()
	}

	for range all {
		<-done
	}

	return out
}

// version returns the version of the protocol that is spoken; "" for none.
func (r *Router) version() string {
	switch d := r.device.(type) {
	case *upnp:
		return d.service
	case *pcp:
		return "2" // RFC 6887 section 7.1
	case *pmp:
		return "0" // RFC 6886 section 3.1
	}

	return ""
}

// KindOf names the kind of an address that a router has outside.
func KindOf(a netip.Addr) string {
	if !a.IsValid() {
		return "unknown"
	}

	switch kind := netaddr.KindOf(a); kind {
	case netaddr.Public:
		return "public"
	case netaddr.Private, netaddr.Shared, netaddr.Documentation:
		return string(kind)
	}

	return "other"
}

package mail

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Spec is a mail server as it should be reachable from the Internet, after every
// default has been filled in. Names are absolute (see FQDN).
type Spec struct {
	Name     string
	Host     string     // the mail host: MX target, PTR, banner
	CAA      []string   // who may issue certificates for the mail host; empty: not said
	NoMail   []string   // names that neither send nor receive mail
	DANE     DANE       // the mail host's keys, as senders may find them in DNS
	Address  netip.Addr // of the server on the LAN
	Public   []netip.Addr
	Domains  []Domain
	Zones    []Zone
	Forwards []Forward
	Service  MailService
	Router   RouterKind
	// Pointers are the names that hold the PTR of public addresses where the reverse name
	// is an alias, as DNS has it (RFC 2317).
	Pointers map[netip.Addr]string
	// TTLs are seconds for records that are to have them although the config gives no TTL.
	TTLs map[plan.Key]int
	// OpenIPv6 says that IPv6 comes in without pinholes.
	OpenIPv6 bool
	// Shut says of pinholes that can't be had why. While there are any, the mail host is not
	// published by IPv6: a name has one set of addresses for all of its ports.
	Shut  map[plan.Key]string
	Lease time.Duration // lifetime to ask the router for
}

// Domain is a mail domain.
type Domain struct {
	Name     string
	MX       []MX
	SPF      SPF
	DMARC    DMARC
	DKIM     []DKIM
	MTASTS   MTASTS
	TLSRPT   []string  // addresses or URIs that TLS reports go to; empty: no record
	Services []Service // that clients find by SRV records

	// Autoconfig is the host that tells mail programs their settings; empty: no such names.
	Autoconfig string
}

// TakenHere reports whether the server takes the domain's mail. Where others do, as a hosted mailbox
// service, it may still send for it: its MX records are then not mailpub's.
func (d Domain) TakenHere() bool { return len(d.MX) > 0 }

// Inbound are the domains whose mail the server takes.
func (s Spec) Inbound() []Domain {
	return slices.DeleteFunc(slices.Clone(s.Domains), func(d Domain) bool { return !d.TakenHere() })
}

// MX is one mail exchanger of a domain.
type MX struct {
	Host       string
	Preference uint16 // lower is tried first (RFC 5321 section 5.1)
}

// Zone is a DNS zone whose records mailpub manages.
type Zone struct {
	Name    string
	TTL     int  // seconds, of records that are new
	KeepTTL bool // the config does not give it: what is there keeps its own
	ByHand  bool // no provider: mailpub says what to enter and reads it over DNS

	// Unsigned says why the zone is not known to be signed with DNSSEC; empty: it is. TLSA
	// records say nothing in a zone that is not (RFC 7672 section 2.2).
	Unsigned string
}

// Forward is a port of the public address that belongs to the mail server.
type Forward struct {
	Name     string
	Proto    string // "tcp" or "udp"
	Port     uint16 // outside
	Internal uint16 // at Site.Address
}

// Key returns the forward's key: {"forward", "tcp/25"}.
func (f Forward) Key() plan.Key {
	return plan.Key{Kind: "forward", Name: f.Proto + "/" + strconv.Itoa(int(f.Port))}
}

// Pinhole returns the key of what lets the same port pass to the server's own IPv6 address,
// where nothing is translated: {"forward", "tcp6/25"}.
func (f Forward) Pinhole() plan.Key {
	return plan.Key{Kind: "forward", Name: f.Proto + "6/" + strconv.Itoa(int(f.Port))}
}

// RouterKind says who enters the forwards.
type RouterKind int

const (
	RouterProtocol RouterKind = iota // mailpub, by a protocol
	RouterByHand                     // a person
	RouterNone                       // nobody: the server has the public address itself
)

// ZoneOf returns the zone that holds name: the longest one it lies within.
func (s Spec) ZoneOf(name string) (Zone, bool) { return zoneOf(s.zoneIndex(), name) }

func (s Spec) zoneIndex() map[string]Zone {
	index := make(map[string]Zone, len(s.Zones))
	for _, z := range s.Zones {
		index[FQDN(z.Name)] = z
	}
	return index
}

func zoneOf(index map[string]Zone, name string) (Zone, bool) {
	for n := range Enclosing(name) {
		if z, ok := index[n]; ok {
			return z, true
		}
	}
	return Zone{}, false
}

// Desired is everything a Spec asks for, sorted by who has to provide it.
type Desired struct {
	Service  []plan.Item // in words for any mail server, see ServiceItems
	Forwards []plan.Item
	Zones    map[string][]plan.Item // by zone name; every zone of the Site has an entry
	ByHand   []plan.Item            // records in zones of other people: the PTR at the provider
	Policies []plan.Item            // texts that a web server has to serve (MTA-STS)
}

// Desired computes what the site asks for. It fails when a name lies in none of the
// site's zones.
func (s Spec) Desired() (Desired, error) {
	w := Desired{Service: s.ServiceItems(), Forwards: s.ForwardItems(), Zones: make(map[string][]plan.Item, len(s.Zones))}
	each := s.about()/max(len(s.Zones), 1) + 2
	for _, z := range s.Zones {
		w.Zones[z.Name] = make([]plan.Item, 0, each)
	}
	index := s.zoneIndex()
	for r := range s.records() {
		z, ok := zoneOf(index, r.name)
		if !ok && r.rrtype != "PTR" {
			return Desired{}, fmt.Errorf("no zone holds %q, which needs its %s record", r.name, r.rrtype)
		}
		if !ok {
			w.ByHand = append(w.ByHand, r.item(-1, true, s.ptrByHand(r)))
			continue
		}
		ttl, byHand := z.TTL, r.hold
		switch {
		case z.ByHand:
			ttl, byHand = -1, cmp.Or(byHand, "enter it in zone "+z.Name)
		case r.rrtype == "TLSA" && z.Unsigned != "":
			byHand = "not published: " + z.Unsigned
		}
		keep := z.KeepTTL
		if own, ok := s.TTLs[DNSKey(r.name, r.rrtype)]; ok && keep && ttl >= 0 {
			ttl, keep = own, false
		}
		w.Zones[z.Name] = append(w.Zones[z.Name], r.item(ttl, keep, byHand))
	}
	w.Policies = s.policyItems()
	return w, nil
}

// record is a wanted RRset, or one narrowed TXT record, before it is given its TTL.
type record struct {
	name, rrtype, tag string
	data              []string
	stage             plan.Stage
	reason            string
	merge             plan.Merge
	hold              string // why it can't be published as it is, and what a person has to do
}

func (r record) item(ttl int, keepTTL bool, byHand string) plan.Item {
	it := plan.Item{Key: DNSKey(r.name, r.rrtype), Stage: r.stage, Reason: r.reason, ByHand: byHand, Merge: r.merge}
	if r.merge == nil {
		it.Fit = Fit(r.rrtype, !keepTTL)
	}
	if r.tag != "" {
		it.Key, ttl = TaggedTXT(r.name, r.tag), -1
	}
	for _, d := range r.data {
		it.Lines = append(it.Lines, RecordLine(d, ttl))
	}
	slices.Sort(it.Lines)
	return it
}

// records are the wanted ones. A large site has many, so they are made as they are taken.
func (s Spec) records() iter.Seq[record] {
	return func(yield func(record) bool) {
		for some := range s.batches() {
			for _, r := range some {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func (s Spec) batches() iter.Seq[[]record] {
	return func(yield func([]record) bool) {
		if !yield(s.hostRecords()) {
			return
		}
		for _, d := range s.Domains {
			if !yield(s.domainRecords(d)) {
				return
			}
		}
		if !yield(s.authorities()) || !yield(s.keyRecords()) {
			return
		}
		for _, name := range s.NoMail {
			if !yield(noMail(name)) {
				return
			}
		}
	}
}

// about is how many records there are, roughly.
func (s Spec) about() int { return 16*len(s.Domains) + 2*len(s.NoMail) + 16 }

func (s Spec) hostRecords() (rs []record) {
	for _, t := range []string{"A", "AAAA"} {
		if data := s.addresses(t); data != nil {
			rs = append(rs, record{name: s.Host, rrtype: t, data: data, stage: plan.StageAddress,
				reason: "the mail host is reached at its public address"})
		}
	}
	if !slices.ContainsFunc(s.Domains, func(d Domain) bool { return d.Name == s.Host }) {
		rs = append(rs, spfRecord(s.Host, []string{"a"}, SPF{All: "fail"},
			"bounces are checked by the mail host's own name (RFC 7208 section 2.4)"))
	}
	for _, a := range s.Public {
		rs = append(rs, record{name: s.pointerName(a), rrtype: "PTR", data: []string{s.Host}, stage: plan.StageRecord,
			reason: "receivers expect " + a.String() + " to be named " + strings.TrimSuffix(s.Host, ".")})
	}
	return rs
}

func (s Spec) domainRecords(d Domain) []record {
	var terms []string
	if slices.ContainsFunc(d.MX, func(m MX) bool { return FQDN(m.Host) == FQDN(s.Host) }) {
		terms = append(terms, "mx") // others' hosts take mail, and need not send it
	}
	for _, a := range s.Public {
		terms = append(terms, addressTerm(a))
	}
	spf, why := d.SPF, "only this server sends mail for the domain (RFC 7208)"
	if s.Service.Delivery.SmartHost != "" {
		spf.Include = spf.including(s.Service.Delivery.SPF)
		why = "only this server and its smart host send mail for the domain (RFC 7208)"
	}
	mx := record{name: d.Name, rrtype: "MX", stage: plan.StageMail, reason: "mail for the domain goes to the mail host"}
	for _, m := range d.MX {
		mx.data = append(mx.data, MXData(m.Preference, m.Host))
	}
	own := []record{spfRecord(d.Name, terms, spf, why)}
	if d.TakenHere() {
		own = append(own, mx)
	}
	return slices.Concat(own,
		d.signatures(), d.policies(), d.transportPolicy(), d.services(), d.autoconfig())
}

func (s Spec) addresses(rrtype string) (data []string) {
	if rrtype == "AAAA" && len(s.Shut) > 0 {
		return nil
	}
	for _, a := range s.Public {
		if AddressType(a) == rrtype {
			data = append(data, AddressData(a))
		}
	}
	return data
}

func (s Spec) ptrByHand(r record) string {
	return fmt.Sprintf("ask the connectivity provider to point %s at %s", r.name, s.Host)
}

// ForwardItems returns the forwards that the site asks for. They do not depend on its
// public address.
func (s Spec) ForwardItems() (items []plan.Item) {
	if s.Router == RouterNone {
		return nil
	}
	for _, f := range s.Forwards {
		target := netip.AddrPortFrom(s.Address, f.Internal).String()
		it := plan.Item{Key: f.Key(), Lines: []string{target}, Stage: plan.StageForward, Lease: s.Lease,
			Reason: f.Name + " is reached from outside"}
		if s.Router == RouterByHand {
			it.ByHand = fmt.Sprintf("forward %s port %d to %s in the router", f.Proto, f.Port, target)
		}
		items = append(items, it)
	}
	return append(items, s.pinholeItems()...)
}

// pinholeItems returns the forwards by IPv6. The port outside is that of the server.
func (s Spec) pinholeItems() (items []plan.Item) {
	six := s.IPv6()
	if !six.IsValid() || s.OpenIPv6 {
		return nil
	}
	for _, f := range s.Forwards {
		target := netip.AddrPortFrom(six, f.Port).String()
		it := plan.Item{Key: f.Pinhole(), Lines: []string{target}, Stage: plan.StageForward, Lease: s.Lease,
			Reason: f.Name + " is reached from outside by IPv6"}
		if s.Router == RouterByHand {
			it.ByHand = fmt.Sprintf("let %s port %d pass to %s in the router's firewall of IPv6", f.Proto, f.Port, six)
		} else if why, shut := s.Shut[it.Key]; shut {
			it.ByHand = fmt.Sprintf("%s. Until every port is open by IPv6, %s has no AAAA record; let them in by hand and set router.ipv6 to open",
				why, strings.TrimSuffix(s.Host, "."))
		}
		items = append(items, it)
	}
	return items
}

// IPv6 returns the server's public IPv6 address, which is its own; not valid where it has none.
func (s Spec) IPv6() (six netip.Addr) {
	for _, a := range s.Public {
		if AddressType(a) == "AAAA" {
			six = a
		}
	}
	return six
}

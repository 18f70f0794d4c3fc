package mail

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// Key returns the forward's key: {"forward", "tcp/25"}.
func (f Forward) Key() plan.Key {
	return plan.Key{Kind: "forward", Name: f.Proto + "/" + strconv.Itoa(int(f.Port))}
}

// Pinhole returns the key of what lets the same port pass to the server's own IPv6 address,
// where nothing is translated: {"forward", "tcp6/25"}.
func (f Forward) Pinhole() plan.Key {
	return plan.Key{Kind: "forward", Name: f.Proto + "6/" + strconv.Itoa(int(f.Port))}
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
	w := Desired{
		Service:  s.ServiceItems(),
		Forwards: s.ForwardItems(),
		Zones:    make(map[string][]plan.Item, len(s.Zones)),
	}

	each := s.recordCount()/max(len(s.Zones), 1) + 2
	for _, z := range s.Zones {
		w.Zones[z.Name] = make([]plan.Item, 0, each)
	}

	index := s.zoneIndex()
	for r := range s.records() {
		z, ok := zoneOf(index, r.name)
		if !ok && r.rrtype != "PTR" {
			return Desired{}, fmt.Errorf("no zone holds %q, which needs its %s record", r.name,
				r.rrtype)
		}

		if !ok {
			w.ByHand = append(w.ByHand, r.item(-1, true, s.ptrByHand(r)))
			continue
		}

		ttl, keep := z.recordTTL(r)
		byHand := r.hold
		switch {
		case z.ByHand:
			ttl = -1
			byHand = cmp.Or(byHand, "enter it in zone "+z.Name)
		case r.rrtype == "TLSA" && z.Unsigned != "":
			byHand = "not published: " + z.Unsigned
		}

		if own, ok := s.TTLs[DNSKey(r.name, r.rrtype)]; ok && keep && ttl >= 0 {
			ttl, keep = own, false
		}

		w.Zones[z.Name] = append(w.Zones[z.Name], r.item(ttl, keep, byHand))
	}

	w.Policies = s.policyItems()
	return w, nil
}

// recordTTL returns the TTL of a record in the zone, -1 where it can't be chosen; keep says that the config
// does not give it, so that a record that is there keeps its own.
func (z Zone) recordTTL(r record) (ttl int, keep bool) {
	if r.ttl > 0 && z.TTL >= 0 {
		return r.ttl, false
	}
	return z.TTL, z.KeepTTL
}

// withRecordTTL gives the records a TTL where they have none of their own.
func withRecordTTL(rs []record, ttl int) []record {
	for i := range rs {
		if rs[i].ttl == 0 {
			rs[i].ttl = ttl
		}
	}
	return rs
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
		if !yield(withRecordTTL(s.hostRecords(), s.TTL)) {
			return
		}

		for _, d := range s.Domains {
			if !yield(withRecordTTL(s.domainRecords(d), d.TTL)) {
				return
			}
		}

		if !yield(withRecordTTL(s.authorities(), s.TTL)) ||
			!yield(withRecordTTL(s.keyRecords(), s.TTL)) {
			return
		}

		for _, name := range s.NoMail {
			if !yield(noMail(name)) {
				return
			}
		}
	}
}

// recordCount is how many records there are, roughly.
func (s Spec) recordCount() int { return 16*len(s.Domains) + 2*len(s.NoMail) + 16 }

func (s Spec) hostRecords() (rs []record) {
	for _, t := range []string{"A", "AAAA"} {
		if data := s.addresses(t); data != nil {
			rs = append(rs, record{
				name:   s.Host,
				rrtype: t,
				data:   data,
				stage:  plan.StageAddress,
				reason: "the mail host is reached at its public address",
			})
		}
	}

	if !slices.ContainsFunc(s.Domains, func(d Domain) bool { return d.Name == s.Host }) {
		rs = append(rs, spfRecord(s.Host, s.Host, []string{"a"}, SPF{All: "fail"},
			"bounces are checked by the mail host's own name (RFC 7208 section 2.4)"))
	}

	for _, a := range s.Public {
		rs = append(rs, record{
			name:   s.pointerName(a),
			rrtype: "PTR",
			data:   []string{s.Host},
			stage:  plan.StageRecord,
			reason: "receivers expect " + a.String() + " to be named " +
				strings.TrimSuffix(s.Host, "."),
		})
	}

	return rs
}

func (s Spec) domainRecords(d Domain) []record {
	var terms []string
	if slices.ContainsFunc(d.MX, func(m MX) bool {
		return FQDN(m.Host) == FQDN(s.Host)
	}) {
		terms = append(terms, "mx") // others' hosts take mail, and need not send it
	}

	for _, a := range s.Public {
		terms = append(terms, addressTerm(a))
	}

	spf := d.SPF
	why := "names the servers that may send mail for the domain (RFC 7208)"
	if s.Service.Delivery.SmartHost != "" {
		spf.Include = spf.including(s.Service.Delivery.SPF)
	}

	mx := record{
		name:   d.Name,
		rrtype: "MX",
		stage:  plan.StageMail,
		reason: "mail for the domain goes to the mail host",
	}

	for _, m := range d.MX {
		mx.data = append(mx.data, MXData(m.Preference, m.Host))
	}

	own := []record{spfRecord(d.Name, s.Host, terms, spf, why)}
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
		it := plan.Item{
			Key:    f.Key(),
			Lines:  []string{target},
			Stage:  plan.StageForward,
			Lease:  s.Lease,
			Reason: f.Name + " is reached from outside",
		}

		if s.Router == RouterByHand {
			it.ByHand = fmt.Sprintf("forward %s port %d to %s in the router", f.Proto, f.Port,
				target)
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
		it := plan.Item{
			Key:    f.Pinhole(),
			Lines:  []string{target},
			Stage:  plan.StageForward,
			Lease:  s.Lease,
			Reason: f.Name + " is reached from outside by IPv6",
		}

		if s.Router == RouterByHand {
			it.ByHand = fmt.Sprintf("let %s port %d pass to %s in the router's firewall of IPv6",
				f.Proto, f.Port, six)
		} else if why, shut := s.Shut[it.Key]; shut {
			it.ByHand = fmt.Sprintf("%s. Until every port is open by IPv6, %s has no AAAA record; open them manually and set router.ipv6 to open",
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
			return a
		}
	}
	return six
}

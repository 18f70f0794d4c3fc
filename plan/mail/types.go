package mail

import (
	"net/netip"
	"slices"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// DKIM is a key that the domain's mail is signed with (RFC 6376).
type DKIM struct {
	Selector string
	File     string // of the private key, which the mail server signs with
	Text     string // the record with the public half; empty where there is no key yet
	Missing  string // where Text is empty: what a person has to do; "" where apply makes the key
	TTL      int    // seconds, see Domain.TTL
}

// DANE is what DNS says about the keys of the mail host (RFC 7672).
type DANE struct {
	Ports   []uint16
	Digests []string // SHA-256 of each key in use or soon to be (SubjectPublicKeyInfo), hex
	Missing string   // why a digest is not known, and what a person has to do
	TTL     int      // seconds, see Spec.TTL
}

// MTASTS asks senders to deliver to the domain only under TLS, and only to the hosts that
// the policy names (RFC 8461).
type MTASTS struct {
	Mode   string        // "enforce", "testing" or "none"; empty: no policy
	MX     []string      // hosts beside those of the domain's MX; "*.example.org" stands for one label more
	MaxAge time.Duration // how long senders keep to it

	// Host serves the policy: "mta-sts.DOMAIN" is an alias of it. Empty: the name is
	// somebody else's to publish.
	Host string
	TTL  int // seconds, see Domain.TTL
}

// DMARC is what receivers are asked to do with mail that fails SPF and DKIM (RFC 7489).
type DMARC struct {
	Policy string   // "none", "quarantine" or "reject"; empty: no record
	RUA    []string // addresses or URIs that aggregate reports go to
	TTL    int      // seconds, see Domain.TTL
}

// Service is one that clients of a domain find by its SRV record (RFC 6186, RFC 8314).
type Service struct {
	Name string // "imaps", "submissions", "pop3s", "imap", "pop3", "submission"
	Host string // "." says that there is none
	Port uint16
	TTL  int // seconds, see Domain.TTL
}

// MailService is what the mail service must be set to.
type MailService struct {
	Port       uint16 // of SMTP at Site.Address
	Aliases    []Alias
	Delivery   Delivery
	Networks   []netip.Prefix // may send without a password, beside the server itself
	PassesOn   []string       // domains of others that this server is a backup MX of
	Collectors []string       // hosts that the server fetches mail from
}

// Alias delivers an address to a mailbox. An Address without "@" stands for that
// local part in every domain, and alone (RFC 5321 section 4.5.1).
type Alias struct{ Address, To string }

// Delivery is the way that mail takes out of the server.
type Delivery struct {
	SmartHost string   // host:port; empty: directly to each recipient's server
	Always    bool     // through the smart host even where direct delivery would do
	SPF       []string // domains whose SPF records list the smart host
}

// Spec is a mail server as it should be reachable from the Internet, after every
// default has been filled in. Names are absolute (see FQDN).
type Spec struct {
	Name     string
	Host     string     // the mail host: MX target, PTR, banner
	TTL      int        // seconds, of the mail host's records; 0: not given, the zone decides
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
	TTL      int // seconds, of the domain's records where they have none of their own; 0: not given, the zone decides
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

// RouterKind says who enters the forwards.
type RouterKind int

const (
	RouterProtocol RouterKind = iota // mailpub, by a protocol
	RouterByHand                     // a person
	RouterNone                       // nobody: the server has the public address itself
)

// record is a wanted RRset, or one narrowed TXT record, before it is given its TTL.
type record struct {
	name, rrtype, tag string
	data              []string
	stage             plan.Stage
	reason            string
	merge             plan.Merge
	ttl               int    // seconds; 0: not given
	hold              string // why it can't be published as it is, and what a person has to do
}

func (r record) item(ttl int, keepTTL bool, byHand string) plan.Item {
	it := plan.Item{
		Key:    DNSKey(r.name, r.rrtype),
		Stage:  r.stage,
		Reason: r.reason,
		ByHand: byHand,
		Merge:  r.merge,
	}

	if r.merge == nil {
		it.Fit = Fit(r.rrtype, !keepTTL)
	}

	if r.tag != "" {
		it.Key = TaggedTXT(r.name, r.tag)
		ttl = -1
	}

	for _, d := range r.data {
		it.Lines = append(it.Lines, RecordLine(d, ttl))
	}

	slices.Sort(it.Lines)
	return it
}

// SPF is what a domain says about who may send for it, beyond its own server.
type SPF struct {
	Include []string // domains of others that send for this one
	All     string   // "fail", "softfail", "neutral"; empty: fail, or what is there already
}

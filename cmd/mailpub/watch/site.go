package watch

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/plan"
)

// Site is one site as the daemon knows it: what it may do there, and functions that do it. All of
// them stop soon after their context is done. None is called while another one of the same
// site runs, but for Listen and Lead.
type Site struct {
	Name string // unique in a daemon
	File string // the config file
	Home string // where its state is kept: two sites with one home would be in each other's way
	// Digest stands for all that follows, as far as it comes from files.
	Digest string

	Host     string
	LAN      netip.Addr
	Language lang.Language // of notices and of the page

	Schedule Schedule
	Policy   Policy
	Channels []Channel

	// Look plans and verifies, and writes nothing.
	Look func(context.Context) Observation
	// Repair puts back what an Order names, under the site's lock.
	Repair func(context.Context, RepairRequest) (RepairResult, error)
	// Listen reports what the router announces, until its context is done; nil where there is
	// none that announces. After an error it is called again later.
	Listen func(context.Context, func(RouterEvent)) error
	// Lead returns once no other daemon watches the site; release lets the next one. waiting is
	// called first where it has to wait, with who leads. Nil: there is no other.
	Lead func(ctx context.Context, waiting func(who string)) (release func(), err error)
	// Busy reports whether somebody else is changing the site just now; nil: never.
	Busy func() bool
	// StateStore keeps what must outlast the process; nil: nothing does.
	Memory StateStore
}

// Schedule says when a site is looked at.
type Schedule struct {
	Every time.Duration // between the beginnings of two passes; ignored with Cron
	// Jitter is the most by which a pass comes later than that, so that many sites do not
	// come at once.
	Jitter time.Duration
	Cron   interface{ Next(time.Time) time.Time } // nil: Every
}

// What may be repaired.
const (
	Router  = "router"  // the leases are renewed, and own forwards put back
	Address = "address" // DNS follows the public address
	DNS     = "dns"     // own records are put back
	Service = "service" // own settings of the mail service are put back
)

// Kinds are all of them.
func Kinds() []string { return []string{Router, Address, DNS, Service} }

// Policy says what the daemon may do by itself.
type Policy struct {
	Repair []string // of Kinds
	// ChangesPerHour is how often in an hour DNS may follow the public address.
	ChangesPerHour int
	// Confirm is how long an address that one source alone tells has to stay the same.
	Confirm time.Duration
}

// Observation is what Look finds.
type Observation struct {
	Public    []netip.Addr    // found out or configured, as it should be published
	Sightings []AddressAnswer // who says so, of what was found out
	Report    plan.Report
	Unread    []plan.PartyError // parties that could not be read
	Err       error             // why it could not look, or not at everything

	// Mendable are the kinds of which something was found that Repair puts back; Address, where
	// the public address is another one than mailpub published.
	Mendable []string

	// APIRead is when the DNS providers were read last that show more by their API than DNS does; zero: there
	// are none, or one was never read.
	APIRead time.Time

	Leases []Lease
	Renew  time.Time // when the first lease is half over; zero: never
}

// AddressAnswer is what one source says of the public address.
type AddressAnswer struct {
	Source string
	Addr   netip.Addr
}

// RepairRequest says what to repair.
type RepairRequest struct {
	Kinds   []string
	Address []netip.Addr // with Address: the addresses that were agreed on, and no others
}

// RepairResult is what Repair did.
type RepairResult struct {
	Found  []plan.Change // what was to be put back
	Done   []plan.Change // what was
	Moved  []plan.Change // of these, what makes DNS follow the address; and what of that is left to be done by hand
	Leases []Lease       // of all forwards afterwards
	Renew  time.Time
}

// ErrBusy means that somebody else holds the site. Nothing was done.
var ErrBusy = errors.New("another mailpub process is changing this site")

// RouterEvent is what the router announced.
type RouterEvent struct {
	Kind Kind // RouterRestarted, RouterGone or AddressSeen
	Text string
}

// StateStore keeps a few hundred octets from one process to the next.
type StateStore interface {
	Load() ([]byte, error) // nil: nothing was kept
	Save([]byte) error
}

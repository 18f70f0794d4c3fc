package watch

import (
	"net/netip"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/plan"
)

// Snapshot is a site as the last pass found it. It is plain data; who gets one may keep it, and
// must not change what it points to.
type Snapshot struct {
	Site string // its name, unique in a daemon
	File string // the config file

	Language lang.Language // of those who read of the site

	Host   string       // the mail host, without a final dot: "mail.nomeazienda.it"
	LAN    netip.Addr   // of the mail server
	Public []netip.Addr // as published; empty where they could not be found out

	At   time.Time     // when the pass began
	Took time.Duration // zero: there was none yet
	Next time.Time     // when the next one comes, unless something happens before; zero on standby

	// Report holds the checks, with their causes, and the changes that plan would make.
	// With Err it may be in part, or empty.
	Report plan.Report
	Err    error // why it could not look, or not at everything; nil when it could

	APIRead time.Time // when the DNS providers were read last by their API; zero: never, or they have none

	Leases []Lease // of the forwards that were seen, sorted by key

	// Config says why the config file can't be used as it is now. The former one holds; where there
	// was none, nobody has looked, and Took is zero.
	Config error

	// Standby says that another daemon watches the site, and this one takes over when that
	// ends. Everything but Site, File, Host, LAN and At is empty then.
	Standby bool
}

// Lease is how long a forward lives if nobody renews it.
type Lease struct {
	Key   plan.Key
	Until time.Time // zero: until it is removed
}

// Kind is what an Event tells.
type Kind string

const (
	Broke             Kind = "broke"              // something is no longer as it should be
	Healed            Kind = "healed"             // it is again, whoever mended it
	Repaired          Kind = "repaired"           // it is again, and the daemon did it
	Renewed           Kind = "renewed"            // leases
	RepairFailed      Kind = "repair-failed"      // what it may mend, it could not
	AddressChanged    Kind = "changed-address"    // the public address: DNS follows it
	AddressHeld       Kind = "held-address"       // it changed too often; DNS is left for now
	Flapping          Kind = "flapping"           // it comes and goes; there is silence until it rests
	Settled           Kind = "settled"            // it has come to rest
	RouterRestarted   Kind = "router-restarted"   // as the router announced
	AddressSeen       Kind = "address-announced"  // the router announced another one; see AddressChanged
	RouterGone        Kind = "router-gone"        // as it announced
	Reloaded          Kind = "reloaded"           // the config changed
	ConfigWrong       Kind = "config-wrong"       // the config changed, has errors; the former version stays in use
	Joined            Kind = "joined"             // a site is watched from now on
	Left              Kind = "left"               // it is no longer
	StandingBy        Kind = "standing-by"        // another daemon watches the site
	TookOver          Kind = "took-over"          // from another daemon that ended
	ClockJumped       Kind = "clock-jumped"       // the system's
	Test              Kind = "test"               // of a notice that was asked for
	NoticeUndelivered Kind = "notice-undelivered" // a channel did not take it, after several tries
)

// Event is something that happened to a site.
type Event struct {
	Site string    `json:"site"`
	At   time.Time `json:"at"`
	Kind Kind      `json:"kind"`
	// Subject is what it happened to, as the report or the plan calls it: "router.forward tcp/25";
	// of several things that hang together, the cause. Empty where it is the site as a whole.
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text"` // one line for people, without the site's name
	// Since is when it broke, of what broke or healed.
	Since time.Time     `json:"since,omitzero"`
	Took  time.Duration `json:"-"` // from Since until it was well again; zero while it is not
}

// Observer is told what a daemon sees. Its methods are called one at a time for each site, and
// for several sites at once; they must return quickly, as the site waits meanwhile.
type Observer interface {
	// Seen is called after each pass, when a site goes on standby, and when its config becomes wrong;
	// after each Load also for a file that is wrong and no site, with Config and its name alone.
	Seen(Snapshot)
	// Happened is called for each event, whether or not there is a notice of it.
	Happened(Event)
}

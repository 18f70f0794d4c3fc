package plan

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// Key names one thing that mailpub can put in place. Names are canonical: what
// is equal is spelt equal.
//
//	{"dns", "nomeazienda.it. MX"}           an RRset: owner name and type
//	{"dns", "nomeazienda.it. TXT v=spf1"}   one record in an RRset shared with strangers
//	{"forward", "tcp/25"}                   an external port of the router
//	{"forward", "tcp6/25"}                  a port of the server's own IPv6 address
//	{"service", "hostname"}                 a setting of the mail service
type Key struct{ Kind, Name string }

// String returns the key as it is shown to people: "dns nomeazienda.it. MX".
func (k Key) String() string { return k.Kind + " " + k.Name }

// Compare orders keys by kind, then name.
func (k Key) Compare(o Key) int {
	return cmp.Or(strings.Compare(k.Kind, o.Kind), strings.Compare(k.Name, o.Name))
}

// Stage is the place of a thing in the safe order. Things are put in place from
// the lowest stage to the highest and taken away from the highest to the lowest,
// so that nothing points at what is not there yet.
type Stage int

const (
	StageService Stage = iota + 1 // the mail service
	StageForward                  // the router's forwards
	StageAddress                  // A and AAAA
	StageRecord                   // TXT, PTR and everything else in DNS
	StageMail                     // MX: from here on the world delivers
)

// Item is one thing, wanted or observed.
type Item struct {
	Key Key

	// Lines is the canonical text, one value a line, in an order fixed by whoever
	// makes it. Two items with equal lines are the same state. The texts that
	// mail needs are described in package plan/mail.
	Lines []string

	// The following are set on wanted items only.

	Stage  Stage
	Reason string // why it should be there, one line for people

	// ByHand, when not empty, says that no driver can write this item and what a
	// person has to do, as one or more lines. It may still be readable.
	ByHand string

	// Merge, when set, makes the wanted lines out of the observed ones, so that what
	// strangers put into the same text stays (SPF). See the type.
	Merge Merge

	// Fit, when set, makes the lines that are to be written where something is there
	// already: the observed lines themselves where they mean the same as the wanted ones.
	// It is not used together with Merge.
	Fit func(observed, wanted []string) []string

	// Lease is the lifetime to ask for, where the thing is only lent (a forward).
	// Zero means that it stays until removed.
	Lease time.Duration

	// The following are set on observed items only.

	// Unreadable says why the state is unknown. Lines then mean nothing.
	Unreadable string

	// Silent says of what is Unreadable that a question was not answered: asked again, it
	// may be known.
	Silent bool

	// Fixed, when not empty, says why this is not to be changed where it was read, and
	// where it is: "the name is an alias of x.example., and what is there is kept there".
	Fixed string

	// Marked says that the thing itself bears this site's mark (a forward's
	// description): it is ours even when the ledger has been lost.
	Marked bool

	// Expires is when the thing lapses if it is not renewed; zero when it does not
	// or when that can't be seen.
	Expires time.Time

	// Lifetime is how long the whole lease is that Expires ends, where the driver knows that
	// better than the grant in the ledger; zero: as granted.
	Lifetime time.Duration

	// Unverified says that the driver knows the thing from the ledger's grant alone and cannot
	// see it. While a write or a removal of it is under way, nothing is concluded from that.
	Unverified bool

	// Again, when not empty, says why the thing has to be written once more although its
	// text is right, or why it has to be made although it may be there: one line for people.
	Again string
}

// Merge returns the lines that hold what is wanted beside what others put there. Of
// last, what mailpub itself wanted before, goes what is no longer wanted; but what was there
// before mailpub came (prior) stays, whoever else wants it. Any of them may be nil.
// It is idempotent: merging its own result changes nothing. Nothing may come of nothing: then
// what is there without anybody's doing is as good as what is wanted.
type Merge func(observed, last, prior []string) []string

// Action is what a Change does.
type Action string

const (
	Create     Action = "create"
	Update     Action = "update"
	Delete     Action = "delete"
	Manual     Action = "manual"     // only a person can do it
	Unreadable Action = "unreadable" // the state is not known, so nothing can be decided
)

// Sign returns the mark that stands before a change in a printed plan.
func (a Action) Sign() string {
	switch a {
	case Create:
		return "+"
	case Update:
		return "~"
	case Delete:
		return "-"
	case Manual:
		return "!"
	}

	return "?"
}

// Grant is what a party gave for a limited time, as the driver reports it with
// the change that obtained it. It is kept in the ledger.
type Grant struct {
	Lifetime time.Duration // as granted, not as asked for
	At       time.Time
	State    string // the driver's own note: a PCP nonce, a NAT-PMP epoch
}

// Expires returns when the grant lapses.
func (g Grant) Expires() time.Time { return g.At.Add(g.Lifetime) }

// Change is one difference and what to do about it. It is plain data: a plan is
// saved as JSON and applied later.
type Change struct {
	Target Target // whose it is
	Key    Key
	Action Action
	Stage  Stage

	// Adopt says that what is there now was not put there by mailpub. Such a change
	// is carried out only with the administrator's consent.
	Adopt bool

	Before []string // observed text; nil when absent
	After  []string // text to be; nil for Delete
	Reason string

	// Renew says that the text is right already and only the lease runs out.
	Renew bool

	// Lapsed says that the thing was there and that its lease ran out.
	Lapsed bool
	// Lease is the lifetime to ask for; see Item.
	Lease time.Duration
	// Release says that the thing is no longer mailpub's once this is done.
	Release bool
	// Passing says that the ledger knows nothing of the change: it ends what an earlier run began.
	Passing bool
	// Unseen marks a Manual change of which nobody can say whether it has been done.
	Unseen bool

	// Orphan marks an Unreadable change of a target that the config no longer has.
	Orphan bool

	// Base is what mailpub itself wants in a merged text, for the ledger.
	Base []string

	// Grant is set by the driver on the change it hands to done.
	Grant *Grant
}

// Writes reports whether a driver has something to do for this change.
func (c Change) Writes() bool {
	return c.Action == Create || c.Action == Update || c.Action == Delete
}

// Differs reports whether something is seen to be other than wanted. What nobody can see
// (a forward entered by hand) does not count.
func (c Change) Differs() bool { return c.Action != Unreadable && !c.Unseen }

// Preparer is a Driver of things that cannot be found again without something that is chosen
// before they are made, such as a nonce. Prepare returns it for a change that is about to
// be carried out, and it is kept in the ledger before anything is written: a process that dies
// then leaves nothing that the next one cannot renew or take away. nil is nothing to keep.
type Preparer interface {
	Prepare(c Change) *Grant
}

// Driver reads and writes the things of one party: a DNS zone, a router, a mail
// service. Implementations pass the suite in plan/plantest. They are not called
// concurrently; they stop soon after ctx is done and put their own deadline on
// every network step.
type Driver interface {
	// Kind is the kind of the keys this driver serves: "dns", "forward", "service".
	Kind() string

	// Read returns the observed item of each key that exists, in any order. What does not
	// exist is left out; what can't be known is returned with Unreadable set. An error
	// means that nothing could be read at all.
	Read(ctx context.Context, keys []Key) ([]Item, error)

	// Apply carries out one batch of changes that write (see Change.Writes). It reads
	// again and compares with each change's Before: if anything differs it returns an
	// error that wraps ErrStale and nothing is written. Then it writes, reads back
	// what it wrote, and calls done once for each change, with a nil error only for what was
	// seen to be in place. After the first failure it stops; changes it did not get
	// to are not reported. The returned error is the first failure's. A removal that
	// fails with a *StaysError need not stop it: then all changes are reported.
	// A driver that can write a batch atomically does.
	Apply(ctx context.Context, batch []Change, done func(Change, error)) error
}

// Limiter is a Driver that can't hold every item.
type Limiter interface {
	// Refuses says why an item can't be held, whatever is there now; "" when it can.
	Refuses(Item) string
}

// Resumer is a Driver that can tell that an earlier run was cut off half-way through a change of its
// own, in a way that the items do not show: files written and not loaded, say.
type Resumer interface {
	// Unfinished returns the changes that end what was begun, without their Target; none where
	// nothing was. They are carried out, and not kept in the ledger.
	Unfinished(context.Context) []Change
}

// EffectDescriber is a Driver whose changes mean more than their text says.
type EffectDescriber interface {
	// Effects says in a sentence each what some changes alter for those who use the thing.
	Effects(context.Context, []Change) []string
}

// ChangeLimiter is a Driver that can't carry out every change, depending on what is there.
type ChangeLimiter interface {
	// RefusesChange says why a change can't be carried out; "" when it can.
	RefusesChange(Change) string
}

// Party is one of those that must agree for mail to arrive.
type Party struct {
	Target Target // unique
	Driver Driver
	Wanted []Item
}

// EqualLines reports whether two canonical texts are the same state. Absent (nil)
// and empty are the same.
func EqualLines(a, b []string) bool { return slices.Equal(a, b) }

package zone

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// KeptRead is what a zone's provider showed when it was read last, and what DNS said of the same names then.
// As JSON it outlasts the process. It has nothing with which a record could be changed.
type KeptRead struct {
	At      time.Time           `json:"at"`
	Asked   string              `json:"asked"` // a digest of what was asked for
	Records []keptRecord        `json:"records"`
	Unknown map[string]string   `json:"unknown,omitempty"` // "NAME TYPE" to why it could not be made out
	Parents []string            `json:"parents,omitempty"`
	DNS     map[string][]string `json:"dns"` // "NAME TYPE" to what the zone's servers said
}

type keptRecord struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Data string `json:"data"`
	TTL  int    `json:"ttl"`
	Note string `json:"note,omitempty"`
	Bad  string `json:"bad,omitempty"`
}

// Reading says when a zone's provider is to be asked what it holds, and keeps what it said. It is for those
// who look again and again and write nothing. The zone's name servers are asked each time; while they say what
// they said when the provider was read, what was read still stands.
type Reading struct {
	Kept *KeptRead // of before; nil for none
	Due  bool      // the provider is to be read even if DNS says the same
	// Routine says that what is due can wait if the account's calls are used up.
	Routine bool

	Read bool // the provider was read
}

// routineWait is how long a routine read waits for its account's budget.
const routineWait = 10 * time.Second

// Remember has the zone read its provider only as r says. Nothing can be written with it from then on.
func (z *Zone) Remember(r *Reading) {
	z.Backend = &remembering{
		Backend: z.Backend,
		zone:    z,
		reading: r,
	}
}

// remembering is a Backend that asks DNS whether what it knows still stands.
type remembering struct {
	Backend
	zone    *Zone
	reading *Reading
}

var errOnlyLooks = errors.New("the zone was opened for looking")

// Write implements Backend.
func (b *remembering) Write(context.Context, []Edit) error { return errOnlyLooks }

// List implements Backend.
func (b *remembering) List(ctx context.Context, sets []record.RRset) (Listing, error) {
	return b.ListAround(ctx, sets, nil)
}

// ListAround implements NeighbourLister.
func (b *remembering) ListAround(ctx context.Context, sets []record.RRset, around []string) (Listing, error) {
	asked := digestOf(sets, around)
	kept := b.reading.Kept
	answers, unknown := b.askDNS(ctx, sets)
	stands := kept != nil && kept.Asked == asked && unknown == nil && sameAnswers(kept.DNS, answers)
	if stands && !b.reading.Due {
		return kept.listing(), nil
	}

	if stands && b.reading.Routine {
		waiting, cancel := context.WithTimeout(ctx, routineWait)
		defer cancel()

		l, err := b.list(waiting, sets, around)
		if errors.As(err, &BudgetError{}) {
			return kept.listing(), nil
		}
		if err != nil {
			return l, err
		}

		return l, b.keep(asked, l, answers, unknown)
	}

	l, err := b.list(ctx, sets, around)
	if err != nil {
		return l, err
	}

	return l, b.keep(asked, l, answers, unknown)
}

func (b *remembering) list(ctx context.Context, sets []record.RRset, around []string) (Listing, error) {
	if whole, ok := b.Backend.(NeighbourLister); ok && around != nil {
		return whole.ListAround(ctx, sets, around)
	}
	return b.Backend.List(ctx, sets)
}

// keep keeps what was read. What DNS did not say is no ground to believe it later.
func (b *remembering) keep(asked string, l Listing, answers map[string][]string, unknown error) error {
	b.reading.Read = true
	b.reading.Kept = &KeptRead{At: time.Now(), Asked: asked, DNS: answers}
	if unknown != nil {
		b.reading.Kept.Asked = ""
	}

	for _, records := range l.Sets {
		for _, r := range records {
			one := keptRecord{
				Name: r.Name,
				Type: r.Type,
				Data: r.Data,
				TTL:  r.TTL,
				Note: r.Note,
			}
			if r.Bad != nil {
				one.Bad = r.Bad.Error()
			}
			b.reading.Kept.Records = append(b.reading.Kept.Records, one)
		}
	}

	for set, why := range l.Unknown {
		if b.reading.Kept.Unknown == nil {
			b.reading.Kept.Unknown = map[string]string{}
		}
		b.reading.Kept.Unknown[set.String()] = why
	}

	for name := range l.Parents {
		b.reading.Kept.Parents = append(b.reading.Kept.Parents, name)
	}

	return nil
}

// listing is what was read, as a listing.
func (k *KeptRead) listing() Listing {
	l := NewListing()
	for _, r := range k.Records {
		one := record.Record{
			RRset: record.RRset{Name: r.Name, Type: r.Type},
			Data:  r.Data,
			TTL:   r.TTL,
			Note:  r.Note,
		}
		if r.Bad != "" {
			one.Bad = errors.New(r.Bad)
		}
		l.Add(one)
	}

	for set, why := range k.Unknown {
		if name, rrtype, ok := strings.Cut(set, " "); ok {
			l.Unknown[record.RRset{Name: name, Type: rrtype}] = why
		}
	}

	for _, name := range k.Parents {
		l.Parents[name] = true
	}

	return l
}

// digestOf stands for what a provider is asked for.
func digestOf(sets []record.RRset, around []string) string {
	var all []string
	for _, s := range sets {
		all = append(all, s.String())
	}
	all = append(all, around...)
	slices.Sort(all)
	sum := sha256.Sum256([]byte(strings.Join(all, "\n")))
	return hex.EncodeToString(sum[:])
}

func sameAnswers(a, b map[string][]string) bool {
	if len(a) != len(b) {
		return false
	}
	for set, lines := range a {
		if other, ok := b[set]; !ok || !slices.Equal(lines, other) {
			return false
		}
	}
	return true
}

// questionsAtOnce bounds the questions about one zone that are under way.
const questionsAtOnce = 8

// askDNS asks the zone's name servers of RRsets. unknown says which question was not answered; then nothing
// is to be concluded from the answers.
func (b *remembering) askDNS(ctx context.Context, sets []record.RRset) (answers map[string][]string, unknown error) {
	cache := resolver.NewQueryCache(b.zone.resolver, b.zone.nameservers, "")
	found := make([][]string, len(sets))
	var group errgroup.Group
	group.SetLimit(questionsAtOnce)

	for i, set := range sets {
		group.Go(func() error {
			a, err := cache.Authoritative(ctx, set.Name, set.Type)
			if err != nil {
				return err
			}

			lines := []string{a.Status.String()}
			for _, r := range a.Records {
				line := r.Data
				if a.Authoritative { // a resolver's TTL is what is left
					line = fmt.Sprintf("%s %d", line, r.TTL)
				}
				lines = append(lines, line)
			}

			slices.Sort(lines[1:])
			found[i] = append(lines, a.Chain...)
			return nil
		})
	}

	unknown = group.Wait()
	answers = make(map[string][]string, len(sets))
	for i, set := range sets {
		answers[set.String()] = found[i]
	}

	return answers, unknown
}

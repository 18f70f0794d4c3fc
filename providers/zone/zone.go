package zone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/sockerr"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// DefaultTTL is given to records where neither the plan nor an RRset that is there
// already says otherwise.
const DefaultTTL = time.Hour

// Zone is the driver of one DNS zone (plan.Driver). It is made by Open.
type Zone struct {
	Name    string
	ttl     int
	Backend Backend
	log     *slog.Logger

	provider string
	manual   bool // a person enters the records
	limits   Limits
	last     Listing                   // what Read saw
	byName   map[string][]record.RRset // of last, by name; nil until it is asked for

	// resolver asks where what is in the zone leads to.
	resolver    *resolver.Resolver
	nameservers map[string][]string

	// Pauses are the waits before looking again when what was written is not seen yet:
	// a provider's interface may be a moment behind itself.
	Pauses []time.Duration
}

// Kind implements plan.Driver: "dns".
func (z *Zone) Kind() string { return "dns" }

// Read implements plan.Driver. An item whose records can't be made out is Unreadable;
// keys outside the zone are an error.
func (z *Zone) Read(ctx context.Context, keys []plan.Key) ([]plan.Item, error) {
	targets := make([]record.Target, len(keys))
	for i, k := range keys {
		var err error
		if targets[i], err = z.target(k); err != nil {
			return nil, err
		}
	}

	seen, err := z.readSets(ctx, targets)
	if err != nil {
		return nil, err
	}

	z.last = seen
	z.byName = nil
	elsewhere := z.elsewhere(ctx, targets, keys, seen)
	items := make([]plan.Item, 0, len(targets))

	for i, t := range targets {
		if it, ok := elsewhere[i]; ok {
			items = append(items, it)
			continue
		}

		it := itemOf(t, keys[i], seen)
		if z.manual && it.Unreadable == "" && len(it.Lines) == 0 {
			it.Lines = nil
			it.Fixed = z.aliasWildcard(t.Name)
		}

		if it.Unreadable != "" || len(it.Lines) > 0 || it.Fixed != "" {
			items = append(items, it)
		}
	}

	return items, nil
}

// AliasOf returns the name that a name of the zone is an alias of, as Read saw it last; "" where it is none.
func (z *Zone) AliasOf(name string) string {
	for _, r := range z.last.Sets[record.RRset{Name: mail.FQDN(name), Type: "CNAME"}] {
		return mail.FQDN(r.Data)
	}
	return ""
}

// Seen is what Read saw last of keys, and of the zone itself: the data of its SOA and the name servers
// that it names, where the provider lists those.
func (z *Zone) Seen(keys []plan.Key) (items []plan.Item, soa string, nameservers []string) {
	for _, k := range keys {
		t, err := z.target(k)
		if err != nil {
			continue
		}
		it := itemOf(t, k, z.last)
		it.Fixed = outsideReason(z.Name, t, z.last)
		items = append(items, it)
	}

	for _, r := range z.last.Sets[record.RRset{Name: z.Name, Type: "SOA"}] {
		soa = r.Data
	}

	for _, r := range z.last.Sets[record.RRset{Name: z.Name, Type: "NS"}] {
		nameservers = append(nameservers, mail.FQDN(r.Data))
	}

	slices.Sort(nameservers)
	return items, soa, nameservers
}

func (z *Zone) readSets(ctx context.Context, targets []record.Target) (Listing, error) {
	sets := make([]record.RRset, 0, len(targets))
	has := make(map[record.RRset]bool, len(targets))
	want := func(s record.RRset) {
		if !has[s] {
			has[s] = true
			sets = append(sets, s)
		}
	}

	for _, t := range targets {
		want(t.RRset)
		if t.Type == "CNAME" {
			for _, s := range otherTypes(t.Name) {
				want(s)
			}
		}
	}

	l, err := z.listAround(ctx, sets)
	if err != nil {
		return l, sockerr.Plain(err)
	}

	return l, nil
}

func (z *Zone) target(k plan.Key) (record.Target, error) {
	name, rrtype, tag, err := mail.SplitDNSKey(k)
	if err != nil {
		return record.Target{}, err
	}
	if !mail.Within(name, z.Name) {
		return record.Target{}, fmt.Errorf("%s: %q %w %q", k, name, record.ErrOutside, z.Name)
	}
	if tag != "" && rrtype != "TXT" {
		return record.Target{}, fmt.Errorf("%s: only TXT records are told apart by their first word", k)
	}

	return record.Target{RRset: record.RRset{Name: name, Type: rrtype}, Tag: tag}, nil
}

// Apply implements plan.Driver. Strangers' records in a shared RRset are not touched.
// A batch is one atomic update where the provider knows such a thing; else the changes
// are made one after the other. Where an update fails, the zone is read again to tell
// what is in place all the same.
func (z *Zone) Apply(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	if len(batch) == 0 {
		return nil
	}

	targets := make([]record.Target, len(batch))
	for i, c := range batch {
		var err error
		if targets[i], err = z.target(c.Key); err != nil {
			done(c, err)
			return err
		}
	}

	seen, err := z.readSets(ctx, targets)
	if err == nil {
		err = ctx.Err()
	}

	if err != nil {
		done(batch[0], err)
		return err
	}

	edits, i, err := z.edits(batch, targets, seen)
	if err != nil {
		done(batch[i], err)
		return err
	}

	var written error
	if len(edits) > 0 {
		written = z.Backend.Write(ctx, edits)
		if written != nil {
			written = sockerr.Plain(written)
		}

		if errors.Is(written, plan.ErrStale) || ctx.Err() != nil && written != nil {
			done(batch[0], written)
			return written
		}
	}

	return z.readBack(ctx, batch, targets, written, done)
}

// readBack reads back and reports. written is the error of writing, if there was one: an
// error does not mean that nothing was done, nor its absence that all was (name servers
// drop a CNAME beside other data without a word, RFC 2136 section 3.4.2.2).
func (z *Zone) readBack(ctx context.Context, batch []plan.Change, targets []record.Target, written error, done func(plan.Change, error)) error {
	var seen Listing
	for try := 0; ; try++ {
		var err error
		if seen, err = z.readSets(ctx, targets); err != nil {
			if err = fmt.Errorf("not read back: %w", err); written != nil {
				err = fmt.Errorf("%w; and %w", written, err)
			}
			done(batch[0], err)
			return err
		}

		if written != nil || try == len(z.Pauses) || z.firstOpen(batch, targets, seen) < 0 {
			break
		}
		if err := Sleep(ctx, z.Pauses[try]); err != nil {
			break
		}
	}

	open := z.firstOpen(batch, targets, seen)
	for i, c := range batch {
		if i != open {
			done(c, nil)
			continue
		}

		err := written
		if err == nil {
			is := itemOf(targets[i], c.Key, seen)
			err = fmt.Errorf("%s: written, but %s holds %q instead of %q", c.Key, z.Name,
				is.Lines, c.After)
		}

		done(c, err)
		return err
	}

	if written != nil {
		z.log.Warn("dns update failed, but everything is in place", "zone", z.Name, "err",
			written)
	}

	return nil
}

// firstOpen returns the index of the first change that is not in place, or -1.
func (z *Zone) firstOpen(batch []plan.Change, targets []record.Target, seen Listing) int {
	for i, c := range batch {
		is := itemOf(targets[i], c.Key, seen)
		if is.Unreadable != "" || !plan.EqualLines(is.Lines,
			slices.Sorted(slices.Values(c.After))) {
			return i
		}
	}

	return -1
}

func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()

	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

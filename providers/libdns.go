package providers

import (
	"context"
	"errors"
	"time"

	"github.com/libdns/libdns"
)

// client is what the backend uses of a libdns provider. SetRecords is not among it: it
// replaces whole RRsets, strangers' records included.
type client interface {
	libdns.RecordGetter
	libdns.RecordAppender
	libdns.RecordDeleter
}

// replacer is a client that can turn one record into another without a moment in which
// neither is there.
type replacer interface {
	ReplaceRecord(ctx context.Context, zone string, from, to libdns.Record) error
}

// libdnsBackend writes through a libdns provider, one record at a time: the interfaces
// have neither transactions nor preconditions.
type libdnsBackend struct {
	zone    string // as the provider wants it
	client  client
	timeout time.Duration // of one call
	escaped bool          // the client lists text escaped
}

func (b *libdnsBackend) list(ctx context.Context, sets []rrset) (listing, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	recs, err := b.client.GetRecords(ctx, b.zone)
	if err != nil {
		return listing{}, err
	}
	l := newListing()
	l.addLibdns(recs, b.zone, b.escaped, sets)
	return l, nil
}

// addLibdns takes up what a libdns provider listed at the names of sets.
func (l listing) addLibdns(recs []libdns.Record, zone string, escaped bool, sets []rrset) {
	names := owners(sets)
	for _, rec := range recs {
		if names[absolute(rec.RR().Name, zone)] {
			l.add(fromLibdns(rec, zone, escaped))
		}
	}
}

func (b *libdnsBackend) write(ctx context.Context, edits []edit) error {
	return writeRecords(ctx, b, edits)
}

func (b *libdnsBackend) replace(ctx context.Context, from, to record) error {
	client, ok := b.client.(replacer)
	if !ok {
		return errNoReplace
	}
	rec, err := to.toLibdns(b.zone)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	return client.ReplaceRecord(ctx, b.zone, from.listed, noted(rec, to))
}

func (b *libdnsBackend) create(ctx context.Context, r record) error {
	rec, err := r.toLibdns(b.zone)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	_, err = b.client.AppendRecords(ctx, b.zone, []libdns.Record{noted(rec, r)})
	return err
}

// remove deletes exactly what was listed. A record without data would stand for all
// of its type, so it is refused (libdns.RecordDeleter).
func (b *libdnsBackend) remove(ctx context.Context, r record) error {
	if r.listed == nil || r.listed.RR().Data == "" || r.listed.RR().Type == "" {
		return errors.New("a record to delete has no data, which would delete them all")
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	_, err := b.client.DeleteRecords(ctx, b.zone, []libdns.Record{r.listed})
	return err
}

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
	names := owners(sets)
	for _, rec := range recs {
		if names[absolute(rec.RR().Name, b.zone)] { // what stands elsewhere need not be understood
			l.add(fromLibdns(rec, b.zone, b.escaped))
		}
	}
	return l, nil
}

func (b *libdnsBackend) write(ctx context.Context, edits []edit) error {
	return writeRecords(ctx, b, edits)
}

func (b *libdnsBackend) replace(ctx context.Context, from, to record) error {
	client, ok := b.client.(replacer)
	if !ok {
		return errNoReplace
	}
	rec, err := toLibdns(to, b.zone)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	listed, ok := from.listed.(libdns.Record)
	if !ok {
		return errNoID
	}
	return client.ReplaceRecord(ctx, b.zone, listed, noted(rec, to))
}

func (b *libdnsBackend) create(ctx context.Context, r record) error {
	rec, err := toLibdns(r, b.zone)
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
	listed, ok := r.listed.(libdns.Record)
	if !ok || listed.RR().Data == "" || listed.RR().Type == "" {
		return errors.New("a record to delete has no data, which would delete them all")
	}
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	_, err := b.client.DeleteRecords(ctx, b.zone, []libdns.Record{listed})
	return err
}

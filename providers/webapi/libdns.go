package webapi

import (
	"context"
	"errors"
	"time"

	"github.com/libdns/libdns"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
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

// LibdnsBackend writes through a libdns provider, one record at a time: the interfaces
// have neither transactions nor preconditions.
type LibdnsBackend struct {
	Zone    string // as the provider wants it
	Client  client
	Timeout time.Duration // of one call
	escaped bool          // the client lists text escaped
}

// List implements zone.Backend.
func (b *LibdnsBackend) List(ctx context.Context, sets []record.RRset) (zone.Listing, error) {
	return b.ListAround(ctx, sets, nil)
}

// ListAround implements zone.AroundLister.
func (b *LibdnsBackend) ListAround(ctx context.Context, sets []record.RRset, around []string) (zone.Listing, error) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()

	recs, err := b.Client.GetRecords(ctx, b.Zone)
	if err != nil {
		return zone.Listing{}, err
	}

	l := zone.NewListing()
	names := zone.Owners(sets, around...)
	for _, rec := range recs {
		name := absolute(rec.RR().Name, b.Zone)
		l.SawBelow(name, names)
		if names[name] { // what stands elsewhere need not be understood
			l.Add(fromLibdns(rec, b.Zone, b.escaped))
		}
	}

	return l, nil
}

func (b *LibdnsBackend) Write(ctx context.Context, edits []zone.Edit) error {
	return writeRecords(ctx, b, edits)
}

func (b *LibdnsBackend) Replace(ctx context.Context, from, to record.Record) error {
	client, ok := b.Client.(replacer)
	if !ok {
		return ErrNoReplace
	}

	rec, err := toLibdns(to, b.Zone)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()

	listed, ok := from.Listed.(libdns.Record)
	if !ok {
		return ErrNoID
	}

	return client.ReplaceRecord(ctx, b.Zone, listed, withProxied(rec, to))
}

func (b *LibdnsBackend) Create(ctx context.Context, r record.Record) error {
	rec, err := toLibdns(r, b.Zone)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()

	_, err = b.Client.AppendRecords(ctx, b.Zone, []libdns.Record{withProxied(rec, r)})
	return err
}

// Remove deletes exactly what was listed. A record without data would stand for all
// of its type, so it is refused (libdns.RecordDeleter).
func (b *LibdnsBackend) Remove(ctx context.Context, r record.Record) error {
	listed, ok := r.Listed.(libdns.Record)
	if !ok || listed.RR().Data == "" || listed.RR().Type == "" {
		return errors.New("a record to delete has no data, which would delete them all")
	}

	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()

	_, err := b.Client.DeleteRecords(ctx, b.Zone, []libdns.Record{listed})
	return err
}

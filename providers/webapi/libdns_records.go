package webapi

import (
	"strings"

	"github.com/libdns/libdns"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
)

// fromLibdns returns a record that a libdns provider listed. Text is taken literally,
// as the libdns contract has it, unless the provider hands it over escaped.
func fromLibdns(rec libdns.Record, zone string, escaped bool) record.Record {
	in := rec.RR()
	r := record.Record{
		RRset:  record.RRset{Name: absolute(in.Name, zone), Type: strings.ToUpper(in.Type)},
		Data:   in.Data,
		TTL:    int(in.TTL.Seconds()),
		Listed: rec,
	}

	if n, ok := rec.(interface{ Note() string }); ok {
		r.Note = n.Note()
	}

	if r.Type == "TXT" {
		if escaped {
			in.Data = record.Unescape(in.Data)
		}
		r.Data = mail.TextData(in.Data)
		return r
	}

	rr, err := r.RR()
	if err != nil {
		r.Bad = err
		return r
	}

	r.Data = record.CanonicalData(rr)
	return r
}

// toLibdns returns the record in the type that libdns has for it. The name is made relative
// by whole labels: libdns.RelativeName would take "badexample.com" for "bad" in
// "example.com".
func toLibdns(r record.Record, zone string) (libdns.Record, error) {
	if r.Bad != nil {
		return nil, r.Bad
	}

	name, err := record.Relative(r.Name, zone)
	if err != nil {
		return nil, err
	}

	out := libdns.RR{
		Name: name,
		Type: r.Type,
		TTL:  record.Seconds(r.TTL),
		Data: r.Data,
	}

	if r.Type == "TXT" {
		if out.Data, err = mail.Text(r.Data); err != nil {
			return nil, err
		}
	}

	return out.Parse()
}

// absolute is the reverse of relative, for what a libdns provider listed. Where a record's
// name has other capitals than the zone's, libdns.RelativeName leaves it whole and takes only
// the final dot, which makes it look like a relative one.
func absolute(name, zone string) string {
	zone = mail.FQDN(zone)
	if full := mail.FQDN(name); name != full && strings.ToLower(name) != name &&
		mail.Within(full, zone) {
		return full
	}
	return mail.FQDN(libdns.AbsoluteName(name, zone))
}

// withProxied hands a record's note to the client, where the record can have one.
func withProxied(rec libdns.Record, r record.Record) libdns.Record {
	if a, ok := rec.(libdns.Address); ok && r.Note != "" {
		a.ProviderData = r.Note
		return a
	}
	return rec
}

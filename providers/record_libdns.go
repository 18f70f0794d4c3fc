package providers

import (
	"strings"

	"github.com/libdns/libdns"

	"github.com/mailpub/mailpub/plan/mail"
)

// fromLibdns returns a record that a libdns provider listed. Text is taken literally,
// as the libdns contract has it, unless the provider hands it over escaped.
func fromLibdns(rec libdns.Record, zone string, escaped bool) record {
	in := rec.RR()
	r := record{
		rrset:  rrset{absolute(in.Name, zone), strings.ToUpper(in.Type)},
		data:   in.Data,
		ttl:    int(in.TTL.Seconds()),
		listed: rec,
	}
	if n, ok := rec.(interface{ Note() string }); ok {
		r.note = n.Note()
	}
	if r.rrtype == "TXT" {
		if escaped {
			in.Data = unescape(in.Data)
		}
		r.data = mail.TextData(in.Data)
		return r
	}
	rr, err := r.rr()
	if err != nil {
		r.bad = err
		return r
	}
	r.data = canonicalData(rr)
	return r
}

// toLibdns returns the record in the type that libdns has for it. The name is made relative
// by whole labels: libdns.RelativeName would take "badexample.com" for "bad" in
// "example.com".
func toLibdns(r record, zone string) (libdns.Record, error) {
	if r.bad != nil {
		return nil, r.bad
	}
	name, err := relative(r.name, zone)
	if err != nil {
		return nil, err
	}
	out := libdns.RR{Name: name, Type: r.rrtype, TTL: seconds(r.ttl), Data: r.data}
	if r.rrtype == "TXT" {
		if out.Data, err = mail.Text(r.data); err != nil {
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
	if full := mail.FQDN(name); name != full && strings.ToLower(name) != name && mail.Within(full, zone) {
		return full
	}
	return mail.FQDN(libdns.AbsoluteName(name, zone))
}

// noted hands a record's note to the client, where the record can have one.
func noted(rec libdns.Record, r record) libdns.Record {
	if a, ok := rec.(libdns.Address); ok && r.note != "" {
		a.ProviderData = r.note
		return a
	}
	return rec
}

// Package rfc2136 writes zones by signed dynamic updates and reads them by transfer, at any name
// server that takes them. Zones at one server share its connections (Pool).
package rfc2136

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/zone"
)

func Provider() zone.Provider {
	return zone.Provider{
		Name:    "rfc2136",
		Summary: "any name server that takes signed dynamic updates: BIND, Knot, PowerDNS",
		Settings: []zone.Setting{
			{Name: "server", Required: true, Help: "the zone's primary server, as host or host:port (port 53)"},
			{Name: "key_name", Required: true, Help: "name of the TSIG key, as the server spells it"},
			{Name: "key_alg", Default: "hmac-sha256", Help: "algorithm of the key: " + strings.Join(tsigAlgs(), ", ")},
			{Name: "key", Required: true, Secret: true, Help: "secret of the key, in base64"},
		},
		Scopes:  "the key may update the zone, and better transfer it too (AXFR)",
		Limits:  zone.Limits{OneTTL: true},
		Check:   checkRFC2136,
		Connect: openRFC2136,
	}
}

func tsigAlgs() []string {
	return []string{"hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1"}
}

func checkRFC2136(s map[string]string) (errs []zone.SettingError) {
	if v := s["server"]; v != "" {
		if _, err := resolver.HostPort(v); err != nil {
			errs = append(errs, zone.SettingError{
				Setting: "server",
				Problem: err.Error(),
				Want:    `a host or host:port, such as "192.0.2.53:53"`,
			})
		}
	}

	if v := s["key_name"]; v != "" {
		if _, ok := dns.IsDomainName(v); !ok || strings.ContainsAny(v, " \t:") {
			errs = append(errs, zone.SettingError{
				Setting: "key_name",
				Problem: fmt.Sprintf("%q is no key name", v),
				Want:    `a name such as "mailpub."`,
			})
		}
	}

	if v := strings.ToLower(strings.TrimSuffix(s["key_alg"], ".")); v != "" &&
		!slices.Contains(tsigAlgs(), v) {
		errs = append(errs, zone.SettingError{
			Setting: "key_alg",
			Problem: fmt.Sprintf("unknown algorithm %q%s", v, zone.DidYouMean(v, tsigAlgs())),
			Want:    "one of " + strings.Join(tsigAlgs(), ", "),
		})
	}

	return errs
}

func openRFC2136(o zone.Options) (zone.Backend, error) {
	server, err := resolver.HostPort(o.Setting("server"))
	if err != nil {
		return nil, err
	}
	if _, err := base64.StdEncoding.DecodeString(o.Setting("key")); err != nil {
		return nil, errors.New(`setting "key": not base64; copy the secret as the server's key file has it`)
	}

	return &backend{
		zone:   o.Zone,
		server: poolOf(o.Shared).server(server),
		log:    o.Logger,
		key: tsigKey{
			name:   dns.CanonicalName(o.Setting("key_name")),
			alg:    dns.Fqdn(strings.ToLower(strings.TrimSuffix(o.Setting("key_alg"), "."))),
			secret: o.Setting("key"),
		},
		timeout: 5 * time.Second,
	}, nil
}

// backend lists a zone by transfer and writes it with one dynamic update that names
// what it relies on. libdns/rfc2136 holds all of a zone in memory, gives up on it over one
// record that libdns can't parse, joins the strings of a TXT record so that it can't be deleted
// exactly, and has no prerequisites.
type backend struct {
	zone     string
	server   *dnsServer
	key      tsigKey
	timeout  time.Duration // of one step of an exchange
	log      *slog.Logger
	oneByOne bool // a transfer was refused before
}

// List transfers the zone. Where the server does not allow that, the wanted names are asked
// for one by one.
func (b *backend) List(ctx context.Context, sets []record.RRset) (zone.Listing, error) {
	return b.ListAround(ctx, sets, nil)
}

// ListAround implements zone.AroundLister. What is around is not asked for one by one.
func (b *backend) ListAround(ctx context.Context, sets []record.RRset, around []string) (zone.Listing, error) {
	if b.oneByOne {
		return b.ask(ctx, sets)
	}

	l, err := b.transfer(ctx, sets, around...)
	if err == nil {
		return l, nil
	}
	if ctx.Err() != nil {
		return zone.Listing{}, ctx.Err()
	}
	if why := b.diagnose(ctx); why != nil {
		return zone.Listing{}, why
	}

	b.log.Warn("no zone transfer; asking for the wanted names one by one", "zone", b.zone,
		"server", b.server.addr, "err", err)

	b.oneByOne = true
	b.server.forbids.Store(true)
	return b.ask(ctx, sets)
}

// maxUpdate is how large an update may become; a message has 65,535 octets, and some go to
// its signature.
const maxUpdate = 60_000

// Write sends one update for all edits, or a few where one would be too large. Its
// prerequisites are the RRsets as they were (RFC 2136 section 2.4), so it is carried out whole
// on what the plan was made from, or not at all.
func (b *backend) Write(ctx context.Context, edits []zone.Edit) error {
	all := new(dns.Msg).SetUpdate(b.zone)
	size := 0
	for _, e := range edits {
		one := new(dns.Msg).SetUpdate(b.zone)
		if err := addEdit(one, e); err != nil {
			return err
		}

		n := 0
		for _, rr := range slices.Concat(one.Answer, one.Ns) {
			n += dns.Len(rr) - len(b.zone) + 2 // of the zone's name, a pointer is left
		}

		if size > 0 && size+n > maxUpdate {
			if err := b.update(ctx, all); err != nil {
				return err
			}
			all = new(dns.Msg).SetUpdate(b.zone)
			size = 0
		}

		all.Answer = append(all.Answer, one.Answer...)
		all.Ns = append(all.Ns, one.Ns...)
		size = size + n
	}

	return b.update(ctx, all)
}

func (b *backend) update(ctx context.Context, m *dns.Msg) error {
	m.Compress = true
	reply, err := b.exchange(ctx, m, true)
	if err != nil {
		return err
	}
	return b.updateError(reply.Rcode)
}

func addEdit(m *dns.Msg, e zone.Edit) error {
	bare := []dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: e.Name,
		Rrtype: dns.StringToType[e.Type]}}}

	if len(e.Before) == 0 {
		m.RRsetNotUsed(bare)
	} else {
		there, err := wireRRs(e.Before)
		if err != nil {
			return err
		}
		m.Used(there)
	}

	gone, fresh := e.Split()
	switch {
	case e.Type == "CNAME" && len(fresh) > 0:
		// A CNAME that is added takes the place of the one there (RFC 2136 section 3.4.2.2). Knot
		// 3.2, in a signed zone, carries out taking away and drops the one added after it.
	case len(gone) > 0 && len(gone) == len(e.Before):
		m.RemoveRRset(bare)
	default:
		rrs, err := wireRRs(gone)
		if err != nil {
			return err
		}
		m.Remove(rrs)
	}

	for _, r := range fresh {
		rr, err := r.RR()
		if err != nil {
			return err
		}
		m.Insert([]dns.RR{rr})
	}

	return nil
}

// wireRRs returns copies of records as the server holds them.
func wireRRs(rs []record.Record) ([]dns.RR, error) {
	out := make([]dns.RR, len(rs))
	for i, r := range rs {
		if r.Wire != nil {
			out[i] = dns.Copy(r.Wire)
			continue
		}

		if r.Bad != nil {
			return nil, fmt.Errorf("%s: a record can't be understood: %w", r.RRset, r.Bad)
		}

		var err error
		if out[i], err = r.RR(); err != nil {
			return nil, err
		}
	}

	return out, nil
}

package webapi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libdns/libdns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/plantest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// shelf is a libdns provider of the plainest kind: it refuses a second record with
// the same data and a CNAME beside anything, deletes what matches, and may show what was
// written only a while later.
type shelf struct {
	recs  []libdns.RR
	late  time.Duration
	shown []libdns.RR
	at    time.Time
	log   []string
}

func (s *shelf) GetRecords(context.Context, string) ([]libdns.Record, error) {
	if s.late == 0 || time.Since(s.at) >= s.late {
		s.shown = slices.Clone(s.recs)
	}

	var out []libdns.Record
	for _, r := range s.shown {
		out = append(out, r)
	}

	return out, nil
}

func (s *shelf) AppendRecords(_ context.Context, _ string, recs []libdns.Record) ([]libdns.Record, error) {
	for _, rec := range recs {
		rr := rec.RR()
		for _, o := range s.recs {
			if o.Name == rr.Name && (o.Type == "CNAME" || rr.Type == "CNAME" ||
				o.Type == rr.Type && o.Data == rr.Data) {
				return nil, errors.New("conflicts with " + o.Data)
			}
		}

		s.recs = append(s.recs, rr)
		s.at = time.Now()
		s.log = append(s.log, "+"+rr.Data)
	}

	return recs, nil
}

func (s *shelf) DeleteRecords(_ context.Context, _ string, recs []libdns.Record) ([]libdns.Record, error) {
	for _, rec := range recs {
		rr := rec.RR()
		s.recs = slices.DeleteFunc(slices.Clone(s.recs), func(o libdns.RR) bool {
			return o == rr
		})
		s.log = append(s.log, "-"+rr.Data)
		s.at = time.Now()
	}

	return recs, nil
}

func shelfZone(s *shelf) *zone.Zone {
	p := zone.Provider{Name: "some", Connect: func(zone.Options) (zone.Backend, error) {
		return &LibdnsBackend{
			Zone:    strings.TrimSuffix(zonetest.Zone, "."),
			Client:  s,
			Timeout: time.Minute,
		}, nil
	}}

	z, err := zone.Open(p, zone.Options{Zone: zonetest.Zone})
	if err != nil {
		panic(err)
	}

	z.Pauses = []time.Duration{time.Second, time.Minute}
	return z
}

func TestAnyLibdnsProvider(t *testing.T) {
	plantest.Run(t, func(t *testing.T) plantest.Harness {
		s := &shelf{recs: []libdns.RR{{Name: "@", Type: "TXT", TTL: time.Minute, Data: "a stranger's"}}}
		z := shelfZone(s)
		z.Pauses = nil

		return plantest.Harness{
			Driver: z,
			Items:  zonetest.MailItems(),
			Other:  []string{"2.2.2.3 ttl 300"},
			Foreign: func(t *testing.T, k plan.Key, lines []string) {
				s.recs = slices.DeleteFunc(s.recs, func(r libdns.RR) bool {
					return r.Name == "mail" && r.Type == "A"
				})

				for _, l := range lines {
					data, ttl := mail.SplitRecordLine(l)
					s.recs = append(s.recs, libdns.RR{
						Name: "mail",
						Type: "A",
						Data: data,
						TTL:  record.Seconds(ttl),
					})
				}
			},
			Strangers: func(*testing.T) (out []string) {
				for _, r := range s.recs {
					if strings.Contains(r.Data, "stranger") {
						out = append(out, r.TTL.String()+r.Data)
					}
				}
				return out
			},
		}
	})
}

// What is there stays until its replacement is, except where they exclude each other.
func TestOrderOfWrites(t *testing.T) {
	tests := []struct {
		name          string
		have          []libdns.RR
		rrtype        string
		before, after []string
		want          string
	}{
		{"another address", []libdns.RR{{Name: "x", Type: "A", Data: "192.0.2.1", TTL: time.Minute}}, "A",
			[]string{"192.0.2.1 ttl 60"}, []string{"192.0.2.2 ttl 60"}, "+192.0.2.2 -192.0.2.1"},
		{"another TTL", []libdns.RR{{Name: "x", Type: "A", Data: "192.0.2.1", TTL: time.Minute}}, "A",
			[]string{"192.0.2.1 ttl 60"}, []string{"192.0.2.1 ttl 90"}, "-192.0.2.1 +192.0.2.1"},
		{"another alias", []libdns.RR{{Name: "x", Type: "CNAME", Data: "a.", TTL: time.Minute}}, "CNAME",
			[]string{"a. ttl 60"}, []string{"b. ttl 60"}, "-a. +b."},
		{"one of two", []libdns.RR{{Name: "x", Type: "A", Data: "192.0.2.1", TTL: time.Minute}, {Name: "x", Type: "A", Data: "192.0.2.2", TTL: time.Minute}}, "A",
			[]string{"192.0.2.1 ttl 60", "192.0.2.2 ttl 60"}, []string{"192.0.2.2 ttl 60"}, "-192.0.2.1"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &shelf{recs: test.have}
			if err := zonetest.ApplyAll(t, shelfZone(s), zonetest.Change{
				Key:    mail.DNSKey("x."+zonetest.Zone, test.rrtype),
				Before: test.before,
				After:  test.after,
			}); err != nil {
				t.Fatal(err)
			}

			if got := strings.Join(s.log, " "); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// A provider that is behind itself is looked at again, but not for ever.
func TestReadBackWaits(t *testing.T) {
	for _, late := range []time.Duration{30 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := zonetest.ApplyAll(t, shelfZone(&shelf{late: late}), zonetest.Change{
				Key:    mail.DNSKey("x."+zonetest.Zone, "A"),
				Before: nil,
				After:  []string{"192.0.2.1 ttl 60"},
			})

			if (err == nil) != (late < time.Minute) || time.Since(start) > 2*time.Minute {
				t.Errorf("%v behind: %v after %v", late, err, time.Since(start))
			}
		})
	}
}

// Waiting ends with the context.
func TestReadBackStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()

		start := time.Now()
		c := zonetest.Change{
			Key:    mail.DNSKey("x."+zonetest.Zone, "A"),
			Before: nil,
			After:  []string{"192.0.2.1 ttl 60"},
		}.Plan()

		err := shelfZone(&shelf{late: time.Hour}).Apply(ctx, []plan.Change{c},
			func(plan.Change, error) {})

		if err == nil || time.Since(start) > 11*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

package manual

import (
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

func TestManual(t *testing.T) {
	server := zonetest.Serve(t, map[string]string{zonetest.Zone: zonetest.GoodZone,
		zonetest.ReverseZone: zonetest.GoodReverse})

	open := func(name string, servers ...string) plan.Driver {
		d, err := zone.Open(Provider(), zone.Options{
			Zone: name,
			Resolver: &resolver.Resolver{
				Servers:  servers,
				Timeout:  time.Second,
				Attempts: 1,
			},
		})

		if err != nil {
			t.Fatal(err)
		}

		return d
	}

	t.Run("what is published, without TTL", func(t *testing.T) {
		items, err := open(".", server).Read(t.Context(), []plan.Key{
			mail.DNSKey(zonetest.Zone, "MX"), mail.TaggedTXT(zonetest.Zone, "v=spf1"),
			mail.DNSKey("2."+zonetest.ReverseZone, "PTR"),
			mail.DNSKey("mail."+zonetest.Zone, "AAAA"),
			mail.DNSKey("none."+zonetest.Zone, "A"), mail.DNSKey("alias."+zonetest.Zone, "A"),
		})

		if err != nil {
			t.Fatal(err)
		}

		want := map[string]string{
			"nomeazienda.it. MX":         "10 mail.nomeazienda.it.",
			"nomeazienda.it. TXT v=spf1": `"v=spf1 mx ip4:2.2.2.2 -all"`,
			"2.2.2.2.in-addr.arpa. PTR":  "mail.nomeazienda.it.",
			"alias.nomeazienda.it. A":    "2.2.2.2",
		}

		for _, it := range items {
			if got := strings.Join(it.Lines, "|"); got != want[it.Key.Name] ||
				it.Unreadable != "" {
				t.Errorf("%v is %s %s", it.Key, got, it.Unreadable)
			}
			if fixed := it.Fixed != ""; fixed != strings.HasPrefix(it.Key.Name, "alias") {
				t.Errorf("%v is kept elsewhere: %q", it.Key, it.Fixed)
			}
		}

		if len(items) != len(want) {
			t.Errorf("%d items", len(items))
		}
	})

	t.Run("no answer is not absence", func(t *testing.T) {
		items, err := open("example.org", server).Read(t.Context(),
			[]plan.Key{mail.DNSKey("example.org", "MX")})
		if err != nil || len(items) != 1 || !strings.Contains(items[0].Unreadable,
			"REFUSED") || !items[0].Silent {
			t.Errorf("%+v %v", items, err)
		}
	})

	t.Run("nothing is written", func(t *testing.T) {
		err := zonetest.ApplyAll(t, open(zonetest.Zone, server), zonetest.Change{
			Key:    mail.DNSKey("x."+zonetest.Zone, "A"),
			Before: nil,
			After:  []string{"192.0.2.1"},
		})

		if err == nil || !strings.Contains(err.Error(),
			"edited manually: nothing was written") {
			t.Error(err)
		}
	})
}

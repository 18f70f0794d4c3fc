package nat

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/plan"
)

func TestKindOf(t *testing.T) {
	for a, want := range map[string]string{
		"2.2.2.2": "public", "192.168.1.2": "private", "10.0.0.1": "private",
		"172.31.0.1": "private", "100.64.0.2": "cgnat",
		"203.0.113.9": "documentation", "169.254.1.1": "other", "127.0.0.1": "other",
		"240.0.0.1": "other", "::ffff:10.0.0.1": "private",
	} {
		if got := KindOf(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s is %s, want %s", a, got, want)
		}
	}

	if got := KindOf(netip.Addr{}); got != "unknown" {
		t.Errorf("no address is %s", got)
	}
}

func TestLook(t *testing.T) {
	d := device1(t, igd.Config{Version: 1})
	for _, m := range []igd.Mapping{
		{Proto: "tcp", External: 25, Internal: netip.MustParseAddrPort(server), Description: "mailpub nomeazienda", Enabled: true},
		{Proto: "tcp", External: 110, Internal: netip.MustParseAddrPort("127.0.0.9:110"), Description: "caff\xe8", Enabled: true},
		{Proto: "tcp", External: 8080, Internal: netip.MustParseAddrPort("127.0.0.9:80"), Enabled: true},
	} {
		if err := d.Set(m); err != nil {
			t.Fatal(err)
		}
	}

	r, err := Open(t.Context(), Options{
		Selection: Selection{
			URL:     d.URL(),
			Gateway: netip.MustParseAddr("127.77.0.1"),
		},
		Owner: Owner{Site: "nomeazienda"},
	})

	if err != nil {
		t.Fatal(err)
	}

	d.Inject(func(c igd.Call) igd.Fault {
		if c.Args["NewExternalPort"] == "1000" || c.Action == "GetGenericPortMappingEntry" {
			return igd.Fault{Code: 501}
		}
		return igd.Fault{}
	})

	wanted := []plan.Item{forwardItem("tcp/25", server),
		forwardItem("tcp/110", "127.0.0.1:110"),
		forwardItem("tcp/143", "127.0.0.1:143"), forwardItem("tcp/1000", "127.0.0.1:1000")}

	rep, err := r.Status(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}

	var all []string
	for _, s := range rep.Forwards {
		all = append(all, strings.Join([]string{s.Name, s.Owner, s.Is, s.Description}, " "))
	}

	want := "tcp/25 ours 127.0.0.1:25 mailpub nomeazienda, tcp/110 stranger 127.0.0.9:110 caff, tcp/143 nobody  , tcp/1000 unknown  "
	if got := strings.Join(all, ", "); got != want {
		t.Errorf("saw %q, want %q", got, want)
	}

	has(t, "note", rep.Forwards[3].Note, "501")
	if rep.WAN.Kind != "public" || rep.WAN.Address != netip.MustParseAddr("2.2.2.2") ||
		rep.WAN.Note != "" {
		t.Errorf("WAN %+v", rep.WAN)
	}

	if s := rep.Spoken; len(s) != 3 || s[0].Version != "WANIPConnection:1" ||
		s[1].Silent == "" || s[2].Silent == "" || s[1].Version != "" {
		t.Errorf("protocols %+v", s)
	}

	text, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}

	has(t, "JSON", string(text), `"protocol":"upnp"`,
		`"wan":{"address":"2.2.2.2","kind":"public"}`,
		`{"name":"tcp/143","want":"127.0.0.1:143","owner":"nobody"}`)

	if strings.Contains(string(text), "8080") {
		t.Error("a port that nobody wants is in it")
	}

	byHand, err := Open(t.Context(), Options{Protocol: "manual"})
	if err != nil {
		t.Fatal(err)
	}

	rep, err = byHand.Status(t.Context(), wanted[:1])
	if err != nil || rep.WAN.Kind != "unknown" || rep.Forwards[0].Owner != "unknown" ||
		len(rep.Spoken) != 1 {
		t.Errorf("by hand: %+v, %v", rep, err)
	}
}

// A real router, by what it answers, well and behind another.
func TestLookInLab(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{})
	rep := on(t, l, "lan", order{Apply: five()[:1], Wanted: []string{"25", "110"}, Look: true})
	ok(t, rep)
	var versions []string

	for _, s := range rep.Looked.Spoken {
		versions = append(versions, s.Protocol+" "+s.Version)
	}

	if got, want := strings.Join(versions, ", "), "upnp WANIPConnection:2, pcp 2, nat-pmp 0"; got != want {
		t.Errorf("spoken: %s, want %s", got, want)
	}

	if s := rep.Looked.Forwards; len(s) != 2 || s[0].Owner != "ours" ||
		s[0].Expires.IsZero() || s[1].Owner != "nobody" {
		t.Errorf("forwards %+v", s)
	}

	double := on(t, lab.Up(t, lab.Options{
		DoubleNAT: "100.64.0",
		NoUPnP:    true,
	}), "lan", order{
		Wanted: []string{"25"},
		Look:   true,
	})

	if w := double.Looked.WAN; w.Kind != "cgnat" ||
		w.Address != netip.MustParseAddr("100.64.0.2") ||
		!strings.Contains(w.Note, "carrier-grade NAT") {
		t.Errorf("behind a provider's NAT: %+v", w)
	}
}

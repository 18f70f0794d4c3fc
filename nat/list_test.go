package nat

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/nat/nattest"
	"github.com/mailpub/mailpub/plan"
)

func seenText(all []ForwardStatus) string {
	var lines []string
	for _, s := range all {
		lines = append(lines, fmt.Sprintf("%s to %s %s", s.Name, s.Is, s.Owner))
	}
	return strings.Join(lines, ", ")
}

// What the router maps is listed with its owners; only strays of this site are taken away, and
// only while they are what they were.
func TestListAndStrays(t *testing.T) {
	d := device1(t, igd.Config{})
	set := func(p uint16, description string) {
		t.Helper()
		err := d.Set(igd.Mapping{
			Proto:       "tcp",
			External:    p,
			Internal:    netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), p),
			Description: description,
			Enabled:     true,
		})

		if err != nil {
			t.Fatal(err)
		}
	}

	set(25, "mailpub nomeazienda smtp")
	set(26, "mailpub nomeazienda")
	set(27, "mailpub nomeazienda2 smtp")
	set(28, "mailpubnomeazienda")
	set(29, "torrent")
	set(30, "mailpub nomeazienda old")
	r := openURL(t, d)
	all, err := r.List(t.Context())
	want := "tcp/25 to 127.0.0.1:25 ours, tcp/26 to 127.0.0.1:26 ours, tcp/27 to 127.0.0.1:27 another site, tcp/28 to 127.0.0.1:28 stranger, tcp/29 to 127.0.0.1:29 stranger, tcp/30 to 127.0.0.1:30 ours"
	if got := seenText(all); err != nil || got != want {
		t.Errorf("listed %s, %v\nwant %s", got, err, want)
	}

	wanted := []plan.Item{forwardItem("tcp/25", server)}
	strays, err := r.Strays(t.Context(), wanted)
	if got := seenText(strays); err != nil ||
		got != "tcp/26 to 127.0.0.1:26 ours, tcp/30 to 127.0.0.1:30 ours" {
		t.Fatalf("strays %s, %v", got, err)
	}

	set(30, "somebody's now")
	if err := r.RemoveStray(t.Context(), strays[1]); !errors.Is(err, plan.ErrStale) {
		t.Errorf("what is somebody's now: %v", err)
	}

	for range 2 { // that it is gone is no error
		if err := r.RemoveStray(t.Context(), strays[0]); err != nil {
			t.Error(err)
		}
	}

	if m := d.Mappings(); len(m) != 5 {
		t.Errorf("left %v", m)
	}

	d.Inject(func(c igd.Call) igd.Fault {
		if c.Args["NewPortMappingIndex"] == "2" {
			return igd.Fault{Code: 501}
		}
		return igd.Fault{}
	})

	all, err = r.List(t.Context())
	if len(all) != 2 || err == nil || !strings.Contains(err.Error(),
		"entry 2: the router answers 501") {
		t.Errorf("half a list: %s, %v", seenText(all), err)
	}

	box := nattest.Start(t)
	if _, err := openPMPAt(t, box, nil, time.Now).List(t.Context()); !errors.Is(err,
		ErrNoList) {
		t.Errorf("nat-pmp lists: %v", err)
	}
}

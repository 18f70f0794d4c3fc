package nat

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/nattest"
)

// said is one datagram and what comes of it.
type said struct {
	after    time.Duration // the one before
	port     int           // 5350 or 1900
	datagram []byte
	from     string // default the router
	want     string // "restarted by pcp", several joined by ", "
}

func TestObserver(t *testing.T) {
	pmp := func(epoch uint32, a string) []byte {
		return nattest.PMPAnnouncement(epoch, netip.MustParseAddr(a))
	}

	boot := func(n int) string { return fmt.Sprintf("BOOTID.UPNP.ORG: %d", n) }
	alive := nattest.Notice("ssdp:alive")
	byebye := nattest.Notice("ssdp:byebye")

	for name, script := range map[string][]said{
		"it runs on": {
			{port: 5350, datagram: pmp(1000, "2.2.2.2")}, {after: time.Minute, port: 5350, datagram: pmp(1060, "2.2.2.2")},
			{port: 5350, datagram: nattest.PCPAnnouncement(1060)}, {port: 1900, datagram: nattest.Notice("ssdp:alive", boot(1))},
			{after: 30 * time.Second, port: 1900, datagram: nattest.Notice("ssdp:alive", boot(1))}, {port: 1900, datagram: alive},
		},
		"another address": {
			{port: 5350, datagram: pmp(1000, "2.2.2.9"), want: "address changed by nat-pmp"}, {after: time.Second, port: 5350, datagram: pmp(1001, "2.2.2.9")},
		},
		"a restart, told ten times": {
			{port: 5350, datagram: pmp(1000, "2.2.2.2")}, {after: time.Minute, port: 5350, datagram: pmp(0, "2.2.2.2"), want: "restarted by nat-pmp"},
			{port: 5350, datagram: pmp(0, "2.2.2.2")}, {after: time.Second, port: 5350, datagram: pmp(1, "2.2.2.2")},
		},
		"a restart, and another address": {
			{port: 5350, datagram: pmp(1000, "2.2.2.2")}, {after: time.Minute, port: 5350, datagram: pmp(3, "2.2.2.9"), want: "restarted by nat-pmp, address changed by nat-pmp"},
		},
		"one restart in three protocols": {
			{port: 5350, datagram: pmp(1000, "2.2.2.2")}, {port: 5350, datagram: nattest.PCPAnnouncement(1000)}, {port: 1900, datagram: nattest.Notice("ssdp:alive", boot(1))},
			{after: time.Minute, port: 1900, datagram: nattest.Notice("ssdp:alive", boot(2)), want: "restarted by upnp"},
			{port: 5350, datagram: pmp(0, "2.2.2.2")}, {port: 5350, datagram: nattest.PCPAnnouncement(0)},
		},
		"PCP's epoch runs ahead": {
			{port: 5350, datagram: nattest.PCPAnnouncement(1000)}, {after: time.Second, port: 5350, datagram: nattest.PCPAnnouncement(9000), want: "restarted by pcp"},
		},
		"the first word is of a young epoch": {{port: 5350, datagram: nattest.PCPAnnouncement(1), want: "restarted by pcp"}},
		"goodbye, and back": {
			{port: 1900, datagram: alive}, {port: 1900, datagram: byebye, want: "gone by upnp"}, {port: 1900, datagram: byebye},
			{after: time.Minute, port: 1900, datagram: alive, want: "restarted by upnp"}, {port: 1900, datagram: alive},
		},
		"other networks, and no restart": {
			{port: 1900, datagram: nattest.Notice("ssdp:alive", boot(1))}, {port: 1900, datagram: nattest.Notice("ssdp:update", boot(1), "NEXTBOOTID.UPNP.ORG: 2")},
			{port: 1900, datagram: nattest.Notice("ssdp:alive", boot(2))},
		},
		"others speak": {
			{port: 5350, datagram: pmp(1000, "2.2.2.2")}, {port: 5350, datagram: pmp(0, "2.2.2.9"), from: "10.10.10.66"},
			{port: 1900, datagram: byebye, from: "10.10.10.66"}, {port: 5350, datagram: nattest.PCPAnnouncement(0), from: "10.10.10.66"},
		},
		"garbage": {
			{port: 5350, datagram: []byte("hello")}, {port: 5350, datagram: pmp(1, "2.2.2.2")[:11]}, {port: 5350, datagram: nattest.PCPAnnouncement(1)[:20]},
			{port: 5350, datagram: []byte{0, 0x80, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0}}, {port: 1900, datagram: []byte("NOTIFY")},
			{port: 1900, datagram: []byte(strings.ReplaceAll(string(byebye), "InternetGatewayDevice", "Printer"))},
			{port: 1900, datagram: nattest.Notice("ssdp:alive", "BOOTID.UPNP.ORG: -1")}, {port: 1900, datagram: request(igdType + "1")}, {port: 5350},
		},
	} {
		now := time.Unix(1e9, 0)
		o := newObserver(netip.MustParseAddr("10.10.10.1"), netip.MustParseAddr("2.2.2.2"),
			func() time.Time {
				return now
			})

		for i, s := range script {
			now = now.Add(s.after)
			from := o.router
			if s.from != "" {
				from = netip.MustParseAddr(s.from)
			}

			take := o.announcement
			if s.port == 1900 {
				take = o.notify
			}

			var got []string
			for _, e := range take(s.datagram, from) {
				got = append(got, string(e.What)+" by "+e.Protocol)
			}

			if strings.Join(got, ", ") != s.want {
				t.Errorf("%s: datagram %d: %q, want %q", name, i+1, got, s.want)
			}
		}
	}
}

// What a listener reports of a box's announcements, and that it ends with its context.
func TestListener(t *testing.T) {
	box := nattest.Start(t)
	free := func() netip.AddrPort {
		s, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return s.LocalAddr().(*net.UDPAddr).AddrPort()
	}

	l := Listener{
		Router:        box.Addr,
		Address:       netip.MustParseAddr("2.2.2.2"),
		Announcements: free(),
		Notices:       free(),
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	events := make(chan Event, 10)
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx, func(e Event) { events <- e }) }()

	for _, step := range []struct {
		to       netip.AddrPort
		datagram []byte
		want     Happening
	}{
		{l.Announcements, nattest.PMPAnnouncement(1000, netip.MustParseAddr("2.2.2.9")), AddressChanged},
		{l.Notices, nattest.Notice("ssdp:byebye"), Gone},
		{l.Notices, nattest.Notice("ssdp:alive"), Restarted},
	} {
		for got := false; !got; {
			box.Announce(t, step.to, step.datagram) // until the socket is open
			select {
			case e := <-events:
				if got = true; e.What != step.want || e.Router != box.Addr || e.Why == "" {
					t.Errorf("%+v, want %s", e, step.want)
				}
			case <-time.After(50 * time.Millisecond):
			case err := <-ended:
				t.Fatal(err)
			}
		}
	}

	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	bad := Listener{
		Announcements: netip.MustParseAddrPort("192.0.2.1:1"),
		Notices:       netip.MustParseAddrPort("192.0.2.1:2"),
	}

	if err := bad.Run(t.Context(), func(Event) {}); err == nil ||
		!strings.Contains(err.Error(), "192.0.2.1:2") {
		t.Errorf("where nothing can be heard: %v", err)
	}
}

// Whatever is announced, little comes of it, and only of the router.
func FuzzAnnouncement(f *testing.F) {
	f.Add(nattest.PMPAnnouncement(7, netip.MustParseAddr("2.2.2.2")))
	f.Add(nattest.PCPAnnouncement(7))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzObserver(t, func(o *observer) func([]byte, netip.Addr) []Event {
			return o.announcement
		}, b)
	})
}

func FuzzNotice(f *testing.F) {
	f.Add(nattest.Notice("ssdp:alive", "BOOTID.UPNP.ORG: 7"))
	f.Add(nattest.Notice("ssdp:byebye"))
	f.Add(nattest.Notice("ssdp:update", "NEXTBOOTID.UPNP.ORG: 8"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzObserver(t, func(o *observer) func([]byte, netip.Addr) []Event {
			return o.notify
		}, b)
	})
}

func fuzzObserver(t *testing.T, way func(*observer) func([]byte, netip.Addr) []Event, b []byte) {
	router := netip.MustParseAddr("10.10.10.1")
	o := newObserver(router, netip.MustParseAddr("2.2.2.2"), time.Now)
	if got := way(o)(b, netip.MustParseAddr("10.10.10.2")); len(got) != 0 {
		t.Errorf("another's counts: %+v", got)
	}

	for range 2 {
		got := way(o)(b, router)
		if len(got) > 2 || slices.ContainsFunc(got, func(e Event) bool {
			return len(e.Why) > 200 || e.Router != router
		}) {
			t.Errorf("events %+v", got)
		}
	}
}

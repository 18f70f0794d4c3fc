package nattest_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/nat/nattest"
)

// lie is a success that is none.
const lie = `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>` +
	`<u:AddPortMappingResponse xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:2"/></s:Body></s:Envelope>`

// on puts a fault into one action.
func on(action string, f igd.Fault) func(*routers) {
	return func(r *routers) {
		r.igd.Inject(func(c igd.Call) igd.Fault {
			if c.Action == action {
				return f
			}
			return igd.Fault{}
		})
	}
}

func adding(f igd.Fault) func(*routers)    { return on("AddPortMapping", f) }
func code(n int) func(*routers)            { return adding(igd.Fault{Code: n}) }
func describing(body string) igd.Fault     { return igd.Fault{Body: body} }
func described(f igd.Fault) func(*routers) { return on(igd.Describe, f) }

// permanentOnly refuses every lease.
func permanentOnly(n int) func(*routers) {
	return func(r *routers) {
		r.igd.Inject(func(c igd.Call) igd.Fault {
			if c.Action == "AddPortMapping" && c.Args["NewLeaseDuration"] != "0" {
				return igd.Fault{Code: n}
			}
			return igd.Fault{}
		})
	}
}

// set maps tcp/25 to another place when somebody asks for it, and then does as f says.
func set(m igd.Mapping, f igd.Fault) func(*routers) {
	return func(r *routers) {
		r.igd.Inject(func(c igd.Call) igd.Fault {
			if c.Action != "AddPortMapping" {
				return igd.Fault{}
			}

			to := m
			to.Proto = "tcp"
			to.External = 25

			if !to.Internal.IsValid() {
				to.Internal = netip.MustParseAddrPort(r.host + ":26")
			}

			_ = r.igd.Set(to)
			return f
		})
	}
}

// after does as f says with everything that comes after a port was mapped.
func after(f igd.Fault, vanish bool) func(*routers) {
	return func(r *routers) {
		var added atomic.Bool
		r.igd.Inject(func(c igd.Call) igd.Fault {
			if c.Action == "AddPortMapping" {
				added.Store(true)
			} else if added.Load() {
				if vanish {
					r.igd.Remove("tcp", 25)
				}
				return f
			}

			return igd.Fault{}
		})
	}
}

// searched finds the router by a search instead of by its URL.
func searched(answers func(r *routers, st string) []string) func(*routers) {
	return func(r *routers) {
		t := r.t
		r.options.URL = ""
		r.options.Gateway = netip.Addr{}
		host := netip.MustParseAddr("127.0.0.1")
		r.options.Gateways = func() ([]netip.Addr, error) {
			return []netip.Addr{host}, nil
		}

		r.options.Search = nattest.Responder(t, func(st string) []string {
			return answers(r, st)
		})
	}
}

// description is one of a router with one service at the given path.
func description(base, service, control string) string {
	if base != "" {
		base = "<URLBase>" + base + "</URLBase>"
	}
	return `<root xmlns="urn:schemas-upnp-org:device-1-0">` + base +
		`<device><serviceList><service><serviceType>urn:schemas-upnp-org:service:` +
		service + `</serviceType><controlURL>` + control +
		`</controlURL></service></serviceList></device></root>`
}

func upnpFaults() []fault {
	const second = "WANIPConnection:2"
	ours := "mailpub nomeazienda"
	stranger := igd.Mapping{Internal: netip.MustParseAddrPort("127.0.0.9:25"), Enabled: true}

	return append(append(fieldFaults(), kindFaults()...), []fault{
		{name: "none"},
		{name: "the answer is lost", bend: adding(igd.Fault{Stall: time.Minute, Late: true})},
		{name: "half an answer", bend: adding(igd.Fault{Body: lie[:90], Late: true})},
		{name: "the request is lost", bend: adding(igd.Fault{Stall: time.Minute}), is: errAny, says: []string{"tcp/25", "nothing within 2.1s"}},
		{name: "HTTP 500 without a body", bend: adding(igd.Fault{Status: 500}), is: errAny, says: []string{"500"}},
		{name: "garbage for an answer", bend: adding(igd.Fault{Body: "\xff\xfe<<garbage"}), is: errAny, says: []string{"no usable answer"}},
		{name: "an endless answer", bend: adding(igd.Fault{Body: strings.Repeat("<a>", 1<<18)}), is: errAny, says: []string{"more than 256 KB"}},
		{name: "a success that is none", bend: adding(igd.Fault{Body: lie}), is: errAny, says: []string{"says that it mapped the port, but it did not"}},
		{name: "it maps to another port inside", bend: set(igd.Mapping{Description: ours, Enabled: true}, igd.Fault{Body: lie}), is: errAny, says: []string{"but the port is forwarded to", ":26"}},
		{name: "it maps and leaves it disabled", is: errAny, says: []string{":26 disabled"}, bend: set(igd.Mapping{Description: ours}, igd.Fault{Body: lie})},
		{name: "somebody was quicker (718)", bend: set(stranger, igd.Fault{}), is: nat.ErrConflict, says: []string{"its target is 127.0.0.9:25", "718"}, left: []string{"tcp/25 to 127.0.0.9:25"}},
		{name: "it can't be read back", bend: after(igd.Fault{Status: 500}, false), is: errAny, says: []string{"accepted, but it can't be read back"}, left: []string{"tcp/25 to 25"}},
		{name: "the mapping vanishes", bend: after(igd.Fault{}, true), is: errAny, says: []string{"but it did not"}},
		{name: "no such entry by another code (713)", bend: on("GetSpecificPortMappingEntry", igd.Fault{Code: 713}), is: errAny, says: []string{"but it did not"}, left: []string{"tcp/25 to 25"}},
		{name: "a hole where the entry is (501)", bend: on("GetSpecificPortMappingEntry", igd.Fault{Code: 501})},
		{name: "only permanent mappings (725)", igd: igd.Config{Version: 1}, bend: permanentOnly(725)},
		{name: "only permanent mappings, by another word (402)", igd: igd.Config{Version: 1}, bend: permanentOnly(402)},
		{name: "bad arguments (402)", bend: code(402), is: errAny, says: []string{"402"}},
		{name: "an action that fails (501)", bend: code(501), is: errAny, says: []string{"501"}},
		{name: "low ports refused (606)", bend: code(606), is: nat.ErrRefused, says: []string{"606"}},
		{name: "no wildcard as source (715)", bend: code(715), is: errAny, says: []string{"715"}},
		{name: "no wildcard as port (716)", bend: code(716), is: errAny, says: []string{"716"}},
		{name: "taken, and nobody says by whom (718)", bend: code(718), is: nat.ErrConflict, says: []string{"718"}},
		{name: "the same port inside and outside (724)", bend: code(724), is: nat.ErrRefused, says: []string{"not to 25", "724"}},
		{name: "the remote host must be a wildcard (726)", bend: code(726), is: errAny, says: []string{"726"}},
		{name: "the port must be a wildcard (727)", bend: code(727), is: errAny, says: []string{"727"}},
		{name: "no room (728)", bend: code(728), is: nat.ErrRefused, says: []string{"no room", "728"}},
		{name: "forwarded by other means (729)", bend: code(729), is: nat.ErrConflict, says: []string{"other means", "729"}},
		{name: "no wildcard inside (732)", bend: code(732), is: errAny, says: []string{"732"}},
		{name: "secure mode", igd: igd.Config{Secure: true}, to: "127.0.0.9:25", is: nat.ErrOtherHost, says: []string{"run mailpub on 127.0.0.9 itself"}},
		{name: "a name for a target", to: "mail.nomeazienda.it:25", is: errAny, says: []string{`"mail.nomeazienda.it:25" is no target`}},
		{name: "a description that is none", early: true, bend: described(describing("<html>")), is: nat.ErrNoRouter, says: []string{"description at"}},
		{name: "a description without a connection", early: true, bend: described(describing(description("", "Printer:1", "/p"))), is: nat.ErrNoRouter, says: []string{"no WANIPConnection or WANPPPConnection"}},
		{name: "an endless description", early: true, bend: described(describing(strings.Repeat("<a>", 1<<18))), is: nat.ErrNoRouter, says: []string{"more than 256 KB"}},
		{name: "a description that stalls", early: true, bend: described(igd.Fault{Stall: time.Minute}), is: nat.ErrNoRouter, says: []string{"deadline"}},
		{name: "a description that is not found", early: true, bend: described(igd.Fault{Status: 404, Body: "no"}), is: nat.ErrNoRouter, says: []string{"404"}},
		{name: "a relative base", early: true, bend: described(describing(description("/", second, "/ctl/IPConn")))},
		{name: "no base and a relative path", early: true, bend: described(describing(description("", second, "ctl/IPConn")))},
		{name: "garbage for a base", early: true, bend: described(describing(description("::", second, "/ctl/IPConn")))},
		{name: "a base on another host", early: true, bend: described(describing(description("http://192.0.2.66/", second, "/ctl/IPConn")))},
		{name: "control on another host", early: true, bend: described(describing(description("", second, "http://192.0.2.66/ctl/IPConn")))},
		{name: "a description that is no UTF-8", early: true, bend: described(describing("\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"EUC-JP\"?>" +
			strings.Replace(description("", second, "/ctl/IPConn"), "<device>", "<device><friendlyName>caff\xe8</friendlyName>", 1)))},
		{early: true, name: "a location on another host, where this one has nothing", is: nat.ErrNoRouter, says: []string{"127.0.0.1:5000", "refused"},
			bend: searched(func(_ *routers, st string) []string {
				return []string{nattest.Answer(st, "http://127.0.0.66:5000/rootDesc.xml")}
			})},
		{early: true, name: "duplicate answers after garbage", bend: searched(func(r *routers, st string) []string {
			return []string{"garbage", nattest.Answer(st, r.igd.URL()), nattest.Answer(st, r.igd.URL())}
		})},
		{early: true, name: "a late answer to the second search", bend: func(r *routers) {
			var asked atomic.Int32
			searched(func(r *routers, st string) []string {
				if asked.Add(1) <= 2 {
					return nil
				}
				return []string{nattest.Answer(st, r.igd.URL())}
			})(r)
		}},
		{early: true, name: "something else answers the search", is: nat.ErrNoRouter, says: []string{"no answer to a search"},
			bend: searched(func(r *routers, _ string) []string {
				return []string{nattest.Answer("urn:schemas-upnp-org:device:Printer:1", r.igd.URL()), fmt.Sprintf("HTTP/1.1 404 No\r\nLOCATION: %s\r\n\r\n", r.igd.URL())}
			})},
	}...)
}

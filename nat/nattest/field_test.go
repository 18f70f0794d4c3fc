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

// inject bends each call by itself.
func inject(f func(r *routers, c igd.Call) igd.Fault) func(*routers) {
	return func(r *routers) {
		r.igd.Inject(func(c igd.Call) igd.Fault { return f(r, c) })
	}
}

// unspecific refuses the question for one port, in a router's own way.
func unspecific(f igd.Fault) func(*routers) {
	return on("GetSpecificPortMappingEntry", f)
}

// untold refuses every question for what is mapped.
func untold(f igd.Fault) func(*routers) {
	return inject(func(_ *routers, c igd.Call) igd.Fault {
		if c.Action == "GetSpecificPortMappingEntry" ||
			c.Action == "GetGenericPortMappingEntry" {
			return f
		}
		return igd.Fault{}
	})
}

// every bends each n-th call.
func every(n int32, f igd.Fault) func(*routers) {
	var calls atomic.Int32
	return inject(func(*routers, igd.Call) igd.Fault {
		if calls.Add(1)%n == 0 {
			return f
		}
		return igd.Fault{}
	})
}

// entry is the answer to the question for one port, in a router's own spelling.
func entry(values string) string {
	return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>` +
		`<u:GetSpecificPortMappingEntryResponse xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:2">` + values +
		`</u:GetSpecificPortMappingEntryResponse></s:Body></s:Envelope>`
}

// spelled tells of what is mapped in another spelling.
func spelled(how func(port string) string) func(*routers) {
	return inject(func(r *routers, c igd.Call) igd.Fault {
		port := c.Args["NewExternalPort"]
		if c.Action != "GetSpecificPortMappingEntry" || !mapped(r.igd, port) {
			return igd.Fault{}
		}
		return igd.Fault{Body: how(port)}
	})
}

func mapped(d *igd.Device, port string) bool {
	for _, m := range d.Mappings() {
		if fmt.Sprint(m.External) == port {
			return true
		}
	}
	return false
}

func client(port, enabled, lease string) string {
	return "<NewInternalPort>" + port + "</NewInternalPort><NewInternalClient>127.0.0.1</NewInternalClient><NewEnabled>" +
		enabled +
		"</NewEnabled><NewPortMappingDescription>x</NewPortMappingDescription><NewLeaseDuration>" +
		lease + "</NewLeaseDuration>"
}

// fieldFaults are what devices in use were seen to do.
func fieldFaults() []fault {
	const login = "<html><body>please sign in</body></html>"
	reset := igd.Fault{Reset: true}
	return []fault{
		{name: "501 where there is no entry", bend: inject(func(r *routers, c igd.Call) igd.Fault {
			if c.Action == "GetSpecificPortMappingEntry" && !mapped(r.igd, c.Args["NewExternalPort"]) {
				return igd.Fault{Code: 501}
			}
			return igd.Fault{}
		})},
		{name: "402 where there is no entry", bend: unspecific(igd.Fault{Code: 402})},
		{name: "401 for the specific question", bend: unspecific(igd.Fault{Code: 401})},
		{name: "an unknown code for the specific question", bend: unspecific(igd.Fault{Code: -911})},
		{name: "a page for the specific question", bend: unspecific(igd.Fault{Status: 401, Body: login})},
		{name: "501 for every question, and mappings are made", bend: untold(igd.Fault{Code: 501})},
		{name: "a login page for every question", bend: untold(igd.Fault{Status: 401, Body: login})},
		{name: "a page for every action", bend: inject(func(*routers, igd.Call) igd.Fault { return igd.Fault{Status: 401, Body: login} }),
			is: errAny, says: []string{"HTTP 401 Unauthorized with a page"}},
		{name: "each fourth connection is reset", bend: every(4, reset)},
		{name: "one reset while the port is read", bend: func() func(*routers) {
			var done atomic.Bool
			return inject(func(_ *routers, c igd.Call) igd.Fault {
				if c.Action == "GetSpecificPortMappingEntry" && done.CompareAndSwap(false, true) {
					return reset
				}
				return igd.Fault{}
			})
		}()},
		{name: "a place holder where there is no entry", bend: inject(func(r *routers, c igd.Call) igd.Fault {
			if c.Action == "GetSpecificPortMappingEntry" && !mapped(r.igd, c.Args["NewExternalPort"]) {
				return igd.Fault{Body: entry("<NewInternalPort>0</NewInternalPort><NewInternalClient></NewInternalClient><NewEnabled>0</NewEnabled>" +
					"<NewPortMappingDescription></NewPortMappingDescription><NewLeaseDuration>0</NewLeaseDuration>")}
			}
			return igd.Fault{}
		})},
		{name: "enabled in words", bend: spelled(func(p string) string { return entry(client(p, "Enabled", "3600")) })},
		{name: "a lease of -1", bend: spelled(func(p string) string { return entry(client(p, "1", "-1")) })},
		{name: "no name space in an answer", bend: spelled(func(p string) string {
			return "<Envelope><Body><GetSpecificPortMappingEntryResponse>" + client(p, "1", "3600") + "</GetSpecificPortMappingEntryResponse></Body></Envelope>"
		})},
		{name: "an ampersand in a description", bend: spelled(func(p string) string {
			return strings.Replace(entry(client(p, "1", "3600")), ">x<", ">Tom & Jerry<", 1)
		})},
		{name: "a lease is refused with -911", bend: permanentOnly(-911)},
		{name: "a lease is refused with 501", bend: permanentOnly(501)},
		{name: "a lease is refused with 713", bend: permanentOnly(713)},
		{name: "a lease is granted and nothing is mapped", bend: inject(func(_ *routers, c igd.Call) igd.Fault {
			if c.Action == "AddPortMapping" && c.Args["NewLeaseDuration"] != "0" {
				return igd.Fault{Body: lie}
			}
			return igd.Fault{}
		})},
		{name: "a description may be used once", bend: inject(func(r *routers, c igd.Call) igd.Fault {
			for _, m := range r.igd.Mappings() {
				if c.Action == "AddPortMapping" && m.Description == c.Args["NewPortMappingDescription"] && fmt.Sprint(m.External) != c.Args["NewExternalPort"] {
					return igd.Fault{Code: 718}
				}
			}
			return igd.Fault{}
		})},
		{name: "the second mapping of a description replaces the first", bend: inject(func(r *routers, c igd.Call) igd.Fault {
			for _, m := range r.igd.Mappings() {
				if c.Action == "AddPortMapping" && m.Description == c.Args["NewPortMappingDescription"] {
					r.igd.Remove(m.Proto, m.External)
				}
			}
			return igd.Fault{}
		})},
		{name: "it shows what it mapped a while later", bend: late(400 * time.Millisecond)},
		{name: "a write takes longer than a read may", bend: adding(igd.Fault{Stall: 1200 * time.Millisecond})},
		{name: "it maps to another port inside, by another name", is: errAny, says: []string{"but the port is forwarded to", ":26"},
			bend: set(igd.Mapping{Description: "UPnP", Enabled: true}, igd.Fault{Body: lie})},

		{name: "the name space of the DSL Forum", igd: igd.Config{Version: 1, Service: "urn:dslforum-org:service:WANIPConnection:1"}},
		{name: "WANPPPConnection in the name space of the DSL Forum", igd: igd.Config{Version: 1, Service: "urn:dslforum-org:service:WANPPPConnection:1"}},
		{name: "WANPPPConnection:2", igd: igd.Config{Service: "urn:schemas-upnp-org:service:WANPPPConnection:2"}},
		{early: true, name: "markup in the name", bend: described(describing(strings.Replace(description("", "WANIPConnection:2", "/ctl/IPConn"),
			"<device>", "<device><friendlyName><b>Home & Co</friendlyName>", 1)))},
		{early: true, name: "a description that is cut off behind the service", bend: described(describing(
			strings.TrimSuffix(description("", "WANIPConnection:2", "/ctl/IPConn"), "</serviceList></device></root>")))},
		{early: true, name: "a location on another address of the router", bend: searched(func(r *routers, st string) []string {
			return []string{nattest.Answer(st, strings.Replace(r.igd.URL(), "127.0.0.1", "10.99.99.1", 1))}
		})},
		{early: true, name: "a location by the loopback of IPv6", bend: searched(func(r *routers, st string) []string {
			return []string{nattest.Answer(st, strings.Replace(r.igd.URL(), "127.0.0.1", "[::1]", 1))}
		})},
		{early: true, name: "an answer without its last empty line", bend: searched(func(r *routers, st string) []string {
			return []string{strings.TrimSuffix(nattest.Answer(st, r.igd.URL()), "\r\n")}
		})},
		{early: true, name: "an answer with a line that is none", bend: searched(func(r *routers, st string) []string {
			return []string{strings.Replace(nattest.Answer(st, r.igd.URL()), "\r\n", "\r\nthis is no header\r\n", 1)}
		})},
		{early: true, name: "it answers for the service alone", bend: searched(func(r *routers, st string) []string {
			if !strings.Contains(st, "WANIPConnection") {
				return nil
			}
			return []string{nattest.Answer(st, r.igd.URL())}
		})},
		{early: true, name: "it answers for the root device alone", bend: searched(func(r *routers, st string) []string {
			if st != "upnp:rootdevice" {
				return nil
			}
			return []string{nattest.Answer(st, r.igd.URL())}
		})},
		{early: true, name: "it answers after three seconds", bend: func(r *routers) {
			began := time.Now()
			searched(func(r *routers, st string) []string {
				if wait := 3*time.Second - time.Since(began); wait > 0 {
					time.Sleep(wait)
				}
				return []string{nattest.Answer(st, r.igd.URL())}
			})(r)
		}},
		{early: true, name: "the wrong device answers: a repeater without an address", igd: igd.Config{External: netip.MustParseAddr("192.168.1.7")},
			is: nat.ErrNoRouter, says: []string{"which is not the default gateway 127.0.0.99", "a repeater, perhaps"}, bend: func(r *routers) {
				searched(func(r *routers, st string) []string { return []string{nattest.Answer(st, r.igd.URL())} })(r)
				r.options.Gateways = func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("127.0.0.99")}, nil }
			}},
	}
}

// late carries mappings out a while after it says yes.
func late(wait time.Duration) func(*routers) {
	return inject(func(r *routers, c igd.Call) igd.Fault {
		if c.Action != "AddPortMapping" {
			return igd.Fault{}
		}

		var external, internal uint16
		fmt.Sscan(c.Args["NewExternalPort"], &external)
		fmt.Sscan(c.Args["NewInternalPort"], &internal)
		m := igd.Mapping{
			Proto:       "tcp",
			External:    external,
			Description: c.Args["NewPortMappingDescription"],
			Enabled:     true,
			Internal: netip.AddrPortFrom(netip.MustParseAddr(c.Args["NewInternalClient"]),
				internal),
		}

		time.AfterFunc(wait, func() { _ = r.igd.Set(m) })
		return igd.Fault{Body: lie}
	})
}

package nattest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/nat/nattest"
)

// raw answers a request with what is written as it is; the text stands for %s of form, and its
// length and one that is off by some for %d.
func raw(form string, text func() string, lengthOff int, hold bool) igd.Fault {
	body := text()
	head := strings.ReplaceAll(form, "LENGTH", fmt.Sprint(len(body)+lengthOff))
	return igd.Fault{Raw: strings.ReplaceAll(head, "\n", "\r\n") + body, Hold: hold}
}

// told is a description that is sent in a router's own way.
func told(form string, lengthOff int, hold bool) func(*routers) {
	return described(raw(form, func() string {
		return description("", "WANIPConnection:2", "/ctl/IPConn")
	}, lengthOff, hold))
}

// acted is the answer to AddPortMapping, which is carried out, in a router's own way.
func acted(form string, lengthOff int, hold bool) func(*routers) {
	f := raw(form, func() string { return lie }, lengthOff, hold)
	f.Late = true
	return adding(f)
}

// fronted puts something before the router that looks at each request: what it returns is sent
// in place of an answer; "" lets the request pass.
func fronted(look func(r *routers, head string) string) func(*routers) {
	return func(r *routers) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			r.t.Fatal(err)
		}

		var all sync.WaitGroup
		behind, _ := url.Parse(r.igd.URL())
		all.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}

				all.Go(func() {
					defer c.Close()

					head, body := readRequest(c)
					if head == "" {
						return
					}

					if answer := look(r, head); answer != "" {
						_, _ = io.WriteString(c, answer)
						return
					}

					to, err := net.Dial("tcp", behind.Host)
					if err != nil {
						return
					}

					defer to.Close()

					_, _ = io.WriteString(to, head+body)
					_, _ = io.Copy(c, to)
				})
			}
		})

		r.t.Cleanup(func() { l.Close(); all.Wait() })
		front := *behind
		front.Host = l.Addr().String()
		r.options.URL = front.String()
	}
}

// readRequest reads a request as it was sent.
func readRequest(c net.Conn) (head, body string) {
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	in := bufio.NewReader(c)
	length := 0

	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", ""
		}

		head += line
		if name, value, ok := strings.Cut(line, ":"); ok &&
			strings.EqualFold(name, "Content-Length") {
			_, _ = fmt.Sscan(value, &length)
		}

		if line == "\r\n" {
			break
		}
	}

	b := make([]byte, length)
	_, _ = io.ReadFull(in, b)
	return head, string(b)
}

const loginPage = "HTTP/1.1 500 No\r\nContent-Type: text/html\r\n\r\n<html>please sign in</html>"

// spelling lets only requests for an action pass whose header is written in one way.
func spelling(name string) func(*routers) {
	return fronted(func(_ *routers, head string) string {
		if strings.HasPrefix(head, "POST ") && !strings.Contains(head, "\n"+name+": ") {
			return loginPage
		}
		return ""
	})
}

// redirected sends who asks for the description elsewhere once.
func redirected(to func(r *routers) string) func(*routers) {
	return fronted(func(r *routers, head string) string {
		if strings.HasPrefix(head, "GET ") && !strings.Contains(head, "/session") {
			return "HTTP/1.1 301 Moved\r\nLocation: " + to(r) + "\r\nContent-Length: 0\r\n\r\n"
		}
		if strings.HasPrefix(head, "GET ") {
			return "HTTP/1.1 200 OK\r\n\r\n" +
				description("", "WANIPConnection:2", "/ctl/IPConn")
		}

		return ""
	})
}

// index is the entry that a call asks for.
func index(c igd.Call) (n int) {
	_, _ = fmt.Sscan(c.Args["NewPortMappingIndex"], &n)
	return n
}

// connections is a router with several connections, of which one is good. Each is spelt
// "TYPE STATUS ADDRESS"; the good one is the device's own.
func connections(good int, all ...[3]string) func(*routers) {
	return fronted(func(r *routers, head string) string {
		if strings.HasPrefix(head, "GET ") {
			var services strings.Builder
			for i, c := range all {
				path := fmt.Sprintf("/ctl/%d", i)
				if i == good {
					path = "/ctl/IPConn"
				}
				fmt.Fprintf(&services, "<service><serviceType>urn:schemas-upnp-org:service:%s</serviceType><controlURL>%s</controlURL></service>",
					c[0], path)
			}

			return "HTTP/1.1 200 OK\r\n\r\n<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><serviceList>" +
				services.String() + "</serviceList></device></root>"
		}

		for i, c := range all {
			if i == good || !strings.HasPrefix(head, fmt.Sprintf("POST /ctl/%d ", i)) {
				continue
			}

			answer := `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:%[1]sResponse xmlns:u="urn:schemas-upnp-org:service:` +
				c[0] + `">%[2]s</u:%[1]sResponse></s:Body></s:Envelope>`

			switch {
			case strings.Contains(head, "#GetStatusInfo"):
				return "HTTP/1.1 200 OK\r\n\r\n" +
					fmt.Sprintf(answer, "GetStatusInfo",
						"<NewConnectionStatus>"+c[1]+
							"</NewConnectionStatus><NewLastConnectionError>ERROR_NONE</NewLastConnectionError><NewUptime>1</NewUptime>")
			case strings.Contains(head, "#GetExternalIPAddress"):
				return "HTTP/1.1 200 OK\r\n\r\n" +
					fmt.Sprintf(answer, "GetExternalIPAddress",
						"<NewExternalIPAddress>"+c[2]+"</NewExternalIPAddress>")
			}

			return "HTTP/1.1 500 No\r\n\r\n" +
				strings.ReplaceAll(fmt.Sprintf(refusal, 501), "\n", "")
		}

		return ""
	})
}

const refusal = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>
<detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode><errorDescription>no</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>`

// faulty is one header that is not as it should be, before a body that is.
func httpFaults() []fault {
	const plain = "HTTP/1.1 200 OK\nContent-Type: text/xml\nContent-Length: LENGTH\n\n"
	forms := []struct {
		name, form string
		off        int
		hold       bool
	}{
		{"a length that is too long", plain, 7, false},
		{"a length that is too short, as characters were counted", plain, -9, false},
		{"no length, and the connection stays open", "HTTP/1.1 200 OK\nContent-Type: text/xml\n\n", 0, true},
		{"the right length, and the connection stays open", plain, 0, true},
		{"a length that is no number", "HTTP/1.1 200 OK\nContent-Length: many\n\n", 0, false},
		{"two lengths", "HTTP/1.1 200 OK\nContent-Length: LENGTH\nContent-Length: 5\n\n", 0, false},
		{"a header line without a colon", "HTTP/1.1 200 OK\nthis is no header\nContent-Length: LENGTH\n\n", 0, false},
		{"a header line that begins with a space", "HTTP/1.1 200 OK\n EXT\nContent-Length: LENGTH\n\n", 0, false},
		{"a blank before the colon", "HTTP/1.1 200 OK\nContent-Length : LENGTH\nEXT :\n\n", 0, false},
		{"a name that is no token", "HTTP/1.1 200 OK\nX(1): 2\nContent-Length: LENGTH\n\n", 0, false},
		{"no reason behind the code", "HTTP/1.1 200\nContent-Length: LENGTH\n\n", 0, false},
		{"HTTP/1.0", "HTTP/1.0 200 OK\nContent-Length: LENGTH\n\n", 0, false},
		{"an encoding that is called identity", "HTTP/1.1 200 OK\nTransfer-Encoding: identity\nContent-Length: LENGTH\n\n", 0, false},
		{"an interim answer first", "HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: LENGTH\n\n", 0, false},
	}

	var all []fault
	for _, f := range forms {
		all = append(all,
			fault{
				early: true,
				name:  "description: " + f.name,
				bend:  told(f.form, f.off, f.hold),
			},
			fault{name: "answer: " + f.name, bend: acted(f.form, f.off, f.hold)})
	}

	return all
}

// kindFaults are further members of the kinds that the field showed.
func kindFaults() []fault {
	wan := func(kind, status, address string) [3]string {
		return [3]string{kind, status, address}
	}

	public := wan("WANIPConnection:2", "Connected", "2.2.2.2")
	all := append(httpFaults(), []fault{
		{early: true, name: "it knows SOAPAction alone", bend: spelling("SOAPAction")},
		{early: true, name: "it knows SOAPACTION alone", bend: spelling("SOAPACTION")},
		{early: true, name: "a redirect to a path of a session", bend: redirected(func(*routers) string { return "/session/1/desc.xml" })},
		{early: true, name: "a redirect to another host", is: nat.ErrNoRouter, says: []string{"a router that redirects"},
			bend: redirected(func(*routers) string { return "http://127.0.0.66/session/1/desc.xml" })},
		{early: true, name: "a redirect to https", is: nat.ErrNoRouter, says: []string{"a router that redirects"},
			bend: redirected(func(*routers) string { return "https://127.0.0.1/session/1/desc.xml" })},
		{early: true, name: "named in the config, control by address", bend: func(r *routers) {
			r.options.URL = strings.Replace(r.igd.URL(), "127.0.0.1", "localhost", 1)
			at, _ := url.Parse(r.igd.URL())
			described(describing(description("", "WANIPConnection:2", "http://"+at.Host+"/ctl/IPConn")))(r)
		}},
		{early: true, name: "markup in the type of the service and its path", bend: described(describing(
			strings.Replace(description("", "<b>WANIPConnection:2</b>", "<b>/ctl/IPConn</b>"), "urn:", "\n urn:", 1)))},
		{early: true, name: "a connection of the provider's first: connected, private", bend: connections(1, wan("WANIPConnection:2", "Connected", "10.71.3.9"), public)},
		{early: true, name: "WANPPPConnection public, WANIPConnection private", igd: igd.Config{Service: "urn:schemas-upnp-org:service:WANPPPConnection:1"},
			bend: connections(1, wan("WANIPConnection:2", "Connected", "10.71.3.9"), wan("WANPPPConnection:1", "Connected", "2.2.2.2"))},
		{early: true, name: "a dead connection first, with the address of the live one", bend: connections(1, wan("WANIPConnection:2", "Disconnected", "2.2.2.2"), public)},
		{early: true, name: "a dead connection first that was never set up", bend: connections(1, wan("WANIPConnection:2", "Unconfigured", ""), public)},
		{early: true, name: "a dead connection first that tells 0.0.0.0", bend: connections(1, wan("WANIPConnection:2", "Unconfigured", "0.0.0.0"), public)},
		{early: true, name: "a connection of carrier-grade NAT first", bend: connections(1, wan("WANIPConnection:2", "Connected", "100.64.3.9"), public)},
		{early: true, name: "a location with a link-local address", bend: searched(func(r *routers, st string) []string {
			at, _ := url.Parse(r.igd.URL())
			return []string{nattest.Answer(st, "http://[fe80::1%253]:"+at.Port()+at.Path), nattest.Answer(st, "http://[fe80::1%3]:"+at.Port()+at.Path)}
		})},
		{early: true, name: "a location by a name of the router", bend: searched(func(r *routers, st string) []string {
			return []string{nattest.Answer(st, strings.Replace(r.igd.URL(), "127.0.0.1", "fritz.box", 1))}
		})},
		{early: true, name: "the search is answered for the device of the DSL Forum", igd: igd.Config{Version: 1, Service: "urn:dslforum-org:service:WANIPConnection:1"},
			bend: searched(func(r *routers, _ string) []string {
				return []string{nattest.Answer("urn:dslforum-org:device:InternetGatewayDevice:1", r.igd.URL())}
			})},
		{early: true, name: "it answers to the question for everything alone", bend: searched(func(r *routers, st string) []string {
			if st != "ssdp:all" {
				return nil
			}
			return []string{nattest.Answer("upnp:rootdevice", r.igd.URL()), nattest.Answer("uuid:1", r.igd.URL())}
		})},
		{early: true, name: "answers to a search in small letters, with bare line feeds", bend: searched(func(r *routers, st string) []string {
			return []string{"http/1.1 200 ok\nst:" + st + "\nlocation:" + r.igd.URL() + "\n"}
		})},

		{name: "what is mapped is told with port 0, and never removed", is: errAny, says: []string{"but the port is forwarded to 127.0.0.1:0", "could not be taken back"},
			left: []string{"tcp/25 to 25"}, bend: inject(func(r *routers, c igd.Call) igd.Fault {
				switch {
				case c.Action == "GetSpecificPortMappingEntry" && mapped(r.igd, c.Args["NewExternalPort"]):
					return igd.Fault{Body: entry(client("0", "1", "3600"))}
				case c.Action == "DeletePortMapping":
					return igd.Fault{Body: strings.ReplaceAll(lie, "Add", "Delete")}
				}
				return igd.Fault{}
			})},
		{name: "it names the client instead of its address", is: errAny, says: []string{"but the port is forwarded to mario-pc:25"},
			bend: spelled(func(p string) string {
				return strings.Replace(entry(client(p, "1", "3600")), "127.0.0.1", "mario-pc", 1)
			})},
		{name: "descriptions are cut", bend: spelled(func(p string) string { return strings.Replace(entry(client(p, "1", "3600")), ">x<", ">mailp<", 1) })},
		{name: "a description of its own", bend: spelled(func(p string) string { return strings.Replace(entry(client(p, "1", "3600")), ">x<", ">UPnP<", 1) })},
		{name: "402 and an empty list", bend: inject(func(r *routers, c igd.Call) igd.Fault {
			if c.Action == "GetSpecificPortMappingEntry" && !mapped(r.igd, c.Args["NewExternalPort"]) {
				return igd.Fault{Code: 402}
			}
			if c.Action == "GetGenericPortMappingEntry" && len(r.igd.Mappings()) == 0 {
				return igd.Fault{Code: 714}
			}
			return igd.Fault{}
		})},
		{name: "each request takes half a second", bend: inject(func(*routers, igd.Call) igd.Fault { return igd.Fault{Stall: 500 * time.Millisecond} })},
		{name: "each second connection is reset", bend: every(2, igd.Fault{Reset: true})},
		{name: "a lease of a week is refused with 402, one without is taken", bend: permanentOnly(402)},
		{name: "a lease is refused with 716", bend: permanentOnly(725)},
		{name: "606 until the device may open ports by itself", bend: code(606), is: nat.ErrRefused, says: []string{"FRITZ!Box: permit independent port sharing"}},
		{name: "HTTP 500 with a login page for what is written", bend: adding(igd.Fault{Status: http.StatusInternalServerError, Body: "<html>sign in</html>"}), is: errAny, says: []string{"HTTP 500 Internal Server Error with a page"}},
		{name: "HTTP 404 for the control path", bend: inject(func(_ *routers, c igd.Call) igd.Fault { return igd.Fault{Status: 404, Body: "no"} }), is: errAny, says: []string{"HTTP 404"}},
		{early: true, name: "GetStatusInfo is never answered", bend: on("GetStatusInfo", igd.Fault{Stall: time.Minute})},
		{early: true, name: "GetStatusInfo and GetExternalIPAddress are refused", bend: inject(func(_ *routers, c igd.Call) igd.Fault {
			if strings.HasPrefix(c.Action, "GetStatus") || strings.HasPrefix(c.Action, "GetExternal") {
				return igd.Fault{Code: 401}
			}
			return igd.Fault{}
		})},
		{early: true, name: "GetStatusInfo is never answered, found by a search", bend: func(r *routers) {
			on("GetStatusInfo", igd.Fault{Stall: time.Minute})(r)
			searched(func(r *routers, st string) []string { return []string{nattest.Answer(st, r.igd.URL())} })(r)
		}},
		{name: "refusals in words alone", bend: inject(func(r *routers, c igd.Call) igd.Fault {
			if c.Action == "GetSpecificPortMappingEntry" && !mapped(r.igd, c.Args["NewExternalPort"]) {
				return igd.Fault{Status: 500, Body: "<s:Envelope><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>NoSuchEntryInArray</faultstring></s:Fault></s:Body></s:Envelope>"}
			}
			return igd.Fault{}
		})},
		{name: "a refusal that breaks off behind its code", bend: inject(func(r *routers, c igd.Call) igd.Fault {
			if c.Action == "GetSpecificPortMappingEntry" && !mapped(r.igd, c.Args["NewExternalPort"]) {
				return igd.Fault{Status: 500, Body: "<s:Envelope><s:Body><s:Fault><detail><UPnPError><errorCode>714</errorCode><errorDescription>NoSuchEn\x80*\xffrorDescription></UPnPError></detail>"}
			}
			return igd.Fault{}
		})},
		{name: "a refusal with status 200", bend: inject(func(r *routers, c igd.Call) igd.Fault {
			if c.Action == "GetSpecificPortMappingEntry" && !mapped(r.igd, c.Args["NewExternalPort"]) {
				return igd.Fault{Status: 200, Body: fmt.Sprintf(refusal, 714)}
			}
			return igd.Fault{}
		})},
		{name: "values in CDATA sections, with comments", bend: spelled(func(p string) string {
			return strings.Replace(strings.Replace(entry(client(p, "1", "3600")), "127.0.0.1", "<![CDATA[127.0.0.1]]>", 1), "<NewEnabled>", "<!-- on --><NewEnabled>", 1)
		})},
		{name: "an address with zeros in front", bend: spelled(func(p string) string {
			return strings.Replace(entry(client(p, "1", "3600")), "127.0.0.1", "127.000.000.001", 1)
		})},
		{name: "an address of IPv4 in one of IPv6", bend: spelled(func(p string) string {
			return strings.Replace(entry(client(p, "1", "3600")), "127.0.0.1", "::ffff:127.0.0.1", 1)
		})},
		{name: "line ends and blanks in every value", bend: spelled(func(p string) string {
			return regexp.MustCompile(">([^<>]+)<").ReplaceAllString(entry(client(p, "1", "3600")), ">\r\n\t$1\r\n<")
		})},
		{name: "a list whose last entry never ends, where one port is not told", bend: inject(func(r *routers, c igd.Call) igd.Fault {
			switch {
			case c.Action == "GetSpecificPortMappingEntry":
				return igd.Fault{Code: 501}
			case c.Action == "GetGenericPortMappingEntry" && len(r.igd.Mappings()) > 0:
				last := r.igd.Mappings()[min(index(c), len(r.igd.Mappings())-1)]
				return igd.Fault{Body: strings.ReplaceAll(entry(fmt.Sprintf("<NewRemoteHost></NewRemoteHost><NewExternalPort>%d</NewExternalPort><NewProtocol>TCP</NewProtocol>", last.External)+
					client(fmt.Sprint(last.Internal.Port()), "1", "3600")), "GetSpecific", "GetGeneric")}
			}

			return igd.Fault{}
		})},
		{early: true, name: "a location without a scheme", bend: searched(func(r *routers, st string) []string {
			return []string{nattest.Answer(st, strings.TrimPrefix(r.igd.URL(), "http://"))}
		})},
		{early: true, name: "the wrong device answers: a media server that calls itself a root device", is: nat.ErrNoRouter, says: []string{"no WANIPConnection or WANPPPConnection in it"},
			bend: func(r *routers) {
				described(describing(description("", "ContentDirectory:1", "/cd")))(r)
				searched(func(r *routers, _ string) []string { return []string{nattest.Answer("upnp:rootdevice", r.igd.URL())} })(r)
			}},
		{early: true, name: "the wrong device answers: a mesh node with a private address beside a silent gateway", igd: igd.Config{External: netip.MustParseAddr("10.0.0.9")},
			is: nat.ErrNoRouter, says: []string{"a repeater, perhaps"}, bend: func(r *routers) {
				searched(func(r *routers, st string) []string { return []string{nattest.Answer(st, r.igd.URL())} })(r)
				r.options.Gateways = func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("127.0.0.98")}, nil }
			}},
	}...)

	return all
}

package nat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/nat/nattest"
)

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

func TestParseAnswer(t *testing.T) {
	const v1, at = igdType + "1", "http://10.10.10.1:5000/rootDesc.xml"
	for name, test := range map[string]struct{ datagram, want string }{
		"good":             {nattest.Answer(v1, at), at},
		"version 2":        {nattest.Answer(igdType+"2", at), at},
		"bare line feeds":  {strings.ReplaceAll(nattest.Answer(v1, at), "\r", ""), at},
		"lower case":       {"HTTP/1.1 200 OK\r\nst: " + v1 + "\r\nlocation: " + at + "\r\n\r\n", at},
		"cut":              {nattest.Answer(v1, at)[:40], ""},
		"no empty line":    {strings.TrimSuffix(nattest.Answer(v1, at), "\r\n"), at},
		"a broken line":    {strings.Replace(nattest.Answer(v1, at), "\r\n", "\r\nno header\r\n", 1), at},
		"empty":            {"", ""},
		"not found":        {strings.Replace(nattest.Answer(v1, at), "200 OK", "404 Not Found", 1), ""},
		"a printer":        {nattest.Answer("urn:schemas-upnp-org:device:Printer:1", at), ""},
		"no location":      {"HTTP/1.1 200 OK\r\nST: " + v1 + "\r\n\r\n", ""},
		"another host":     {nattest.Answer(v1, "http://10.10.10.66:5000/rootDesc.xml"), at},
		"link-local":       {nattest.Answer(v1, "http://[fe80::1%253]:5000/rootDesc.xml"), at},
		"a name":           {nattest.Answer(v1, "http://router/rootDesc.xml"), "http://10.10.10.1/rootDesc.xml"},
		"a service":        {nattest.Answer("urn:schemas-upnp-org:service:WANPPPConnection:1", at), at},
		"the root device":  {nattest.Answer("upnp:rootdevice", at), at},
		"another scheme":   {nattest.Answer(v1, "file://10.10.10.1/etc/passwd"), ""},
		"with credentials": {nattest.Answer(v1, "http://a:b@10.10.10.1/"), ""},
		"no scheme":        {nattest.Answer(v1, "10.10.10.1:5000/rootDesc.xml"), at},
		"nothing":          {nattest.Answer(v1, ""), ""},
		"a search":         {string(request(igdType + "1")), ""},
	} {
		u, err := parseAnswer([]byte(test.datagram), netip.MustParseAddr("10.10.10.1"),
			netip.MustParseAddr("10.10.10.1"))
		if err == nil && u.String() != test.want || err != nil && test.want != "" {
			t.Errorf("%s: %v, %v; want %q", name, u, err, test.want)
		}
	}
}

// A router that answers from another address than the gateway's, and names that, is met there.
func TestAnswerFromAnotherAddress(t *testing.T) {
	from := netip.MustParseAddr("10.10.10.254")
	gateway := netip.MustParseAddr("10.10.10.1")
	for location, want := range map[string]string{
		"http://10.10.10.1:5000/rootDesc.xml": "http://10.10.10.1:5000/rootDesc.xml",
		"http://192.0.2.1:5000/rootDesc.xml":  "http://10.10.10.254:5000/rootDesc.xml",
	} {
		u, err := parseAnswer([]byte(nattest.Answer(igdType+"1", location)), from, gateway)
		if err != nil || u.String() != want {
			t.Errorf("%s: %v, %v", location, u, err)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	from := netip.MustParseAddr("10.10.10.1")
	f.Add([]byte(nattest.Answer(igdType+"1", "http://10.10.10.1:5000/rootDesc.xml")))
	f.Add([]byte(nattest.Answer(igdType+"1", "http://10.10.10.1:5000@evil/rootDesc.xml")))
	f.Add(request(igdType + "2"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		u, err := parseAnswer(datagram, from, []netip.Addr{from, {}}[len(datagram)%2])
		if err == nil && (u.Hostname() != from.String() || u.Scheme != "http") {
			t.Errorf("led to %q by %q", u, datagram)
		}
	})
}

func noGateways() ([]netip.Addr, error) { return nil, errors.New("there is none in this test") }

func loopbackGateway() ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func device1(t *testing.T, cfg igd.Config) *igd.Device {
	t.Helper()
	if !cfg.External.IsValid() {
		cfg.External = netip.MustParseAddr("2.2.2.2")
	}

	d, err := igd.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { d.Close() })
	return d
}

// The first good answer ends the search, whatever else comes before and with it.
func TestSearchTakesTheFirstGoodAnswer(t *testing.T) {
	d := device1(t, igd.Config{})
	stalling := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}))

	defer stalling.Close()

	to := nattest.Responder(t, func(st string) []string {
		return []string{"garbage", nattest.Answer(st, "http://127.0.0.66/elsewhere"),
			nattest.Answer(st, stalling.URL),
			nattest.Answer(st, d.URL()), nattest.Answer(st, d.URL())}
	})

	ctx, cancel := context.WithTimeout(t.Context(), searchTime)
	defer cancel()

	r, err := Open(ctx, Options{
		Protocol: "upnp",
		System: System{
			Search:   to,
			Gateways: loopbackGateway,
		},
	})

	if err != nil {
		t.Fatal(err)
	}

	has(t, "device", r.Device(), d.URL())
	has(t, "why", r.ChoiceReason(), "the default gateway 127.0.0.1 answers as WANIPConnection:2")
}

func TestSearchFails(t *testing.T) {
	page := func(body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}

	d := device1(t, igd.Config{Name: "one"})
	other := device1(t, igd.Config{Name: "two"})
	none := func(string) []string { return nil }
	at := func(locations ...string) func(string) []string {
		return func(st string) (all []string) {
			for _, l := range locations {
				all = append(all, nattest.Answer(st, l))
			}
			return all
		}
	}

	for _, test := range []struct {
		name    string
		answers func(string) []string
		options Options
		is      error
		parts   []string
	}{
		{"silence", none, Options{}, ErrNoRouter, []string{"no answer to a search within 5s"}},
		{"no XML", at(page("hello")), Options{}, ErrNoRouter, []string{"not a device description"}},
		{"a printer", at(page(`<root xmlns="urn:schemas-upnp-org:device-1-0"><device/></root>`)), Options{}, ErrNoRouter,
			[]string{"no WANIPConnection or WANPPPConnection in it"}},
		{"two routers", at(d.URL(), other.URL()), Options{}, ErrSeveralRouters,
			[]string{`"one" at ` + d.URL(), `"two" at ` + other.URL(), "router.url or router.interface"}},
		{"not the one wanted", at(d.URL()), Options{Selection: Selection{Gateway: netip.MustParseAddr("10.10.10.1")}}, ErrNoRouter,
			[]string{"is not the gateway of the config 10.10.10.1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := test.options
			o.Protocol = "upnp"
			o.Gateways = noGateways
			o.Search = nattest.Responder(t, test.answers)
			_, err := Open(t.Context(), o)
			if !errors.Is(err, test.is) {
				t.Fatalf("got %v, want %v", err, test.is)
			}

			has(t, "error", err.Error(), test.parts...)
		})
	}
}

// A router that answers twice, under two locations, is one router.
func TestSearchKnowsTheSame(t *testing.T) {
	d := device1(t, igd.Config{})
	to := nattest.Responder(t, func(st string) []string {
		return []string{nattest.Answer(st, d.URL()), nattest.Answer(st, d.URL()+"?again")}
	})

	if _, err := Open(t.Context(), Options{
		Protocol: "upnp",
		System: System{
			Search:   to,
			Gateways: noGateways,
		},
	}); err != nil {
		t.Error(err)
	}
}

// A URL is a choice: nothing else is asked.
func TestURLAsksNobodyElse(t *testing.T) {
	d := device1(t, igd.Config{})
	_, err := Open(t.Context(), Options{
		Selection: Selection{URL: d.URL()},
		System: System{Gateways: func() ([]netip.Addr, error) {
			t.Error("the default gateway was looked up")
			return loopbackGateway()
		}},
	})

	if err != nil {
		t.Error(err)
	}
}

// Of several connections the one that is up is taken.
func TestTakesTheConnectionThatIsUp(t *testing.T) {
	service := func(kind string) string {
		return `<service><serviceType>urn:schemas-upnp-org:service:` + kind +
			`:1</serviceType><controlURL>/` + kind + `</controlURL></service>`
	}

	status := func(kind, status string) string {
		return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:GetStatusInfoResponse xmlns:u="urn:schemas-upnp-org:service:` +
			kind + `:1">` +
			`<NewConnectionStatus>` + status +
			`</NewConnectionStatus><NewUptime>1</NewUptime></u:GetStatusInfoResponse></s:Body></s:Envelope>`
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<root xmlns="urn:schemas-upnp-org:device-1-0"><device><serviceList>`+
			service("WANIPConnection")+service("WANPPPConnection")+
			`</serviceList></device></root>`)
	})

	up := "Connected"
	mux.HandleFunc("POST /WANIPConnection", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, status("WANIPConnection", "Disconnected"))
	})

	mux.HandleFunc("POST /WANPPPConnection", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, status("WANPPPConnection", up))
	})

	s := httptest.NewServer(mux)
	defer s.Close()

	for _, test := range []struct{ status, want string }{{"Connected", "WANPPPConnection:1"},
		{"Connecting", "WANIPConnection:1"}} {
		up = test.status
		r, err := Open(t.Context(), Options{Selection: Selection{URL: s.URL}})
		if err != nil {
			t.Fatal(err)
		}
		has(t, "why when it is "+test.status, r.ChoiceReason(), test.want)
	}
}

// A description may be endless, a base relative, and the one service WANPPPConnection.
func TestDescriptions(t *testing.T) {
	const ppp = `<?xml version="1.0" encoding="ISO-8859-1"?><root xmlns="urn:schemas-upnp-org:device-1-0"><URLBase>/</URLBase><device>` +
		"<friendlyName>caff\xe8</friendlyName><deviceList><device><serviceList><service>" +
		`<serviceType>urn:schemas-upnp-org:service:WANPPPConnection:1</serviceType><controlURL>ctl</controlURL>` +
		`</service></serviceList></device></deviceList></device></root>`

	mux := http.NewServeMux()
	mux.HandleFunc("/ppp", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, ppp)
	})

	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprint(w, strings.Repeat("<a>", 4096))
		}
	})

	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
	})

	s := httptest.NewServer(mux)
	defer s.Close()

	open := func(path string) (*Router, error) {
		return Open(t.Context(), Options{
			Selection: Selection{URL: s.URL + path},
			System: System{
				Timeout:  2 * time.Second,
				Gateways: noGateways,
			},
		})
	}

	r, err := open("/ppp")
	if err != nil {
		t.Fatal(err)
	}

	has(t, "device", r.Device(), `router "caff?" at`)
	has(t, "why", r.ChoiceReason(), "WANPPPConnection:1")
	if got := r.device.(*upnp).GetServiceClient().SOAPClient.EndpointURL.String(); got != s.URL+
		"/ctl" {
		t.Errorf("controlled at %s", got)
	}

	for path, part := range map[string]string{"/endless": "more than 256 KB",
		"/away": "redirects", "/none": "404"} {
		_, err := open(path)
		if !errors.Is(err, ErrNoRouter) {
			t.Fatalf("%s: %v", path, err)
		}
		has(t, path, err.Error(), part)
	}

	for _, bad := range []string{"10.10.10.1:5000", "https://10.10.10.1/", "http:///x"} {
		if _, err := Open(t.Context(), Options{Selection: Selection{URL: bad}}); err == nil ||
			!strings.Contains(err.Error(), "no URL of a router's description") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestOpenStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	to := nattest.Responder(t, func(string) []string { cancel(); return nil })
	_, err := Open(ctx, Options{
		Protocol: "upnp",
		System: System{
			Search:   to,
			Gateways: noGateways,
		},
	})

	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled search ends with %v", err)
	}

	if _, err := Open(t.Context(), Options{Protocol: "igmp"}); err == nil ||
		!strings.Contains(err.Error(), `unknown router protocol "igmp"`) {
		t.Errorf("an unknown protocol: %v", err)
	}
}

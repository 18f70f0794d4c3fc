package nat

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/huin/goupnp/dcps/internetgateway2"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// canned answers every request with one body.
type canned string

func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK,
		Body:       io.NopCloser(strings.NewReader(string(c))),
		Request:    req,
	}, nil
}

const descriptionSeed = `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><URLBase>http://10.10.10.1/</URLBase><device><friendlyName>r</friendlyName>` +
	`<serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:2</serviceType><controlURL>/ctl</controlURL></service></serviceList></device></root>`

// Whatever a router sends as its description and as an answer, nothing is asked of another
// host and no text that comes out of it is longer or stranger than what people can be shown.
func FuzzUPnP(f *testing.F) {
	f.Add(descriptionSeed, lie)
	f.Add("\xef\xbb\xbf"+descriptionSeed, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>`+
		`<detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>714</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>`)

	f.Add(strings.ReplaceAll(descriptionSeed, "/ctl", "http://192.0.2.1/"), "\x00")
	location := mustURL("http://10.10.10.1:5000/rootDesc.xml")
	f.Fuzz(func(t *testing.T, description, answer string) {
		o := Options{
			System: System{
				Timeout: time.Second,
				Now:     time.Now,
			},
			Owner: Owner{Known: noGrants},
		}

		d, err := describe(context.Background(), location,
			&http.Client{Transport: &sanitizingTransport{RoundTripper: canned(description)}}, o)

		if err == nil {
			if got := d.GetServiceClient().SOAPClient.EndpointURL; got.Hostname() != "10.10.10.1" ||
				len(d.name) > 60 {
				t.Errorf("%q controlled at %s", d.name, got.String())
			}
		}

		root, err := parseDescription([]byte(descriptionSeed), location)
		if err != nil {
			t.Fatal(err)
		}

		clients, err := internetgateway2.NewWANIPConnection2ClientsFromRootDevice(root,
			location)

		if err != nil {
			t.Fatal(err)
		}

		clients[0].SOAPClient.HTTPClient = http.Client{Transport: &sanitizingTransport{RoundTripper: canned(answer)}}
		u := &upnp{
			wanLink:  &wanLink{connection: clients[0]},
			location: location,
			timeout:  time.Second,
			now:      time.Now,
			known:    noGrants,
		}

		if m, err := u.entry(context.Background(), forward.Port{
			Proto:  "tcp",
			Number: 25,
		}); err == nil && m != nil && len(m.To.Host) > 60 {
			t.Errorf("a host of %d bytes", len(m.To.Host))
		}

		if a, err := u.WAN(context.Background()); err != nil && a.IsValid() &&
			!errors.Is(err, errNoAnswer) {
			t.Errorf("both %v and %v", a, err)
		}
	})
}

// A note comes back as it was, or is no note.
func FuzzNote(f *testing.F) {
	to := forward.Target{Host: "10.10.10.10", Port: 25}
	f.Add(grantState{
		protocol: "pcp",
		to:       to,
		gateway:  netip.MustParseAddr("10.10.10.1"),
		epoch:    7,
		nonce:    pcpNonce{1},
	}.String())

	f.Add(grantState{
		protocol: "nat-pmp",
		to:       to,
		gateway:  netip.MustParseAddr("10.10.10.1"),
		epoch:    7,
	}.String())

	f.Add(grantState{
		protocol: "upnp",
		to: forward.Target{
			Host: "2001:db8::25",
			Port: 25,
		},
		gateway: netip.MustParseAddr("fe80::1%eth0"),
		epoch:   7,
		id:      3,
	}.String())

	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseNote(s)
		if !ok {
			return
		}
		if again, ok := parseNote(n.String()); !ok || again != n {
			t.Errorf("%q is %v and then %v", s, n, again)
		}
	})
}

// The text of the library's errors carries the result code of NAT-PMP.
func FuzzPMPError(f *testing.F) {
	f.Add("Unknown result code 3")
	f.Add("result code")
	f.Fuzz(func(t *testing.T, s string) {
		if err := pmpError(errors.New(s)); err == nil {
			t.Errorf("%q is no error", s)
		}
	})
}

func noGrants(plan.Key) (plan.Grant, bool) { return plan.Grant{}, false }

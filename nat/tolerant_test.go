package nat

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/nat/nattest"
)

// Answers that are no XML, or other XML than the standard's.
func TestReadSOAP(t *testing.T) {
	const action = "GetExternalIPAddress"
	good := soapAnswerOf(action, "NewExternalIPAddress", "2.2.2.2")
	fault := `<s:Envelope><s:Body><s:Fault><detail><UPnPError><errorCode>714</errorCode><errorDescription>No & such</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>`

	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string // arguments, "code N text", or the error
	}{
		{"good", 200, good, "NewExternalIPAddress=2.2.2.2"},
		{"upper case", 200, strings.ToUpper(good), "NEWEXTERNALIPADDRESS=2.2.2.2"},
		{"no name space", 200, strings.NewReplacer("s:", "", "u:", "").Replace(good), "NewExternalIPAddress=2.2.2.2"},
		{"not closed", 200, strings.TrimSuffix(good, "</s:Body></s:Envelope>"), "NewExternalIPAddress=2.2.2.2"},
		{"an argument that is not closed", 200, strings.ReplaceAll(good, "</NewExternalIPAddress>", ""), "NewExternalIPAddress=2.2.2.2"},
		{"an ampersand", 200, strings.ReplaceAll(good, "2.2.2.2", "a & b &amp; c"), "NewExternalIPAddress=a & b & c"},
		{"a lesser than", 200, strings.ReplaceAll(good, "2.2.2.2", "a < b"), "NewExternalIPAddress=a < b"},
		{"empty", 200, soapAnswerOf(action, "NewExternalIPAddress", ""), "NewExternalIPAddress="},
		{"no argument", 200, lie, "something that is no answer to GetExternalIPAddress"},
		{"a fault", 500, fault, "code 714 No & such"},
		{"a fault with 200", 200, fault, "code 714 No & such"},
		{"a fault without a code", 500, "<s:Fault/>", "a fault without a code"},
		{"a page", 401, "<html><body>Sign in</body></html>", "HTTP 401 Unauthorized with a page"},
		{"a page with 200", 200, "<!DOCTYPE html><html>", "HTTP 200 OK with a page"},
		{"nothing", 503, " ", "HTTP 503 Service Unavailable with no text"},
		{"text", 200, "hello", "something that is no answer"},
		{"an answer with a failure's status", 404, good, "HTTP 404 Not Found with an answer"},
	} {
		a, err := readSOAP(action, c.status, c.body)
		got := fmt.Sprint(err)
		switch {
		case err == nil && a.code != 0:
			got = fmt.Sprintf("code %d %s", a.code, a.text)
		case err == nil:
			var all []string
			for _, arg := range a.args {
				all = append(all, arg[0]+"="+arg[1])
			}
			got = strings.Join(all, ",")
		}

		if !strings.Contains(got, c.want) || err == nil && got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Whatever a router sends, what is made of it is an answer that the library reads, or an error;
// and it takes no longer than its length.
func FuzzReadSOAP(f *testing.F) {
	f.Add(200, soapAnswerOf("GetExternalIPAddress", "NewExternalIPAddress", "2.2.2.2"))
	f.Add(500, "<errorCode>714</errorCode>")
	f.Add(200, strings.Repeat("<NewX>", 1000))
	f.Add(401, "<<<a:b c='>'></html")
	f.Fuzz(func(t *testing.T, status int, body string) {
		a, err := readSOAP("GetExternalIPAddress", status, body)
		if err != nil {
			return
		}

		if len(a.args) > maxServices {
			t.Errorf("%d arguments", len(a.args))
		}

		status, canonical := canonicalSOAP("GetExternalIPAddress", "urn:x", a)
		again, err := readSOAP("GetExternalIPAddress", http.StatusOK, string(canonical))
		if utf8.ValidString(body) && (err != nil || again.code != a.code ||
			len(again.args) != len(a.args)) {
			t.Errorf("%q: %+v becomes %d %q: %+v, %v", body, a, status, canonical, again, err)
		}
	})
}

func FuzzDescribeByText(f *testing.F) {
	f.Add(descriptionSeed)
	f.Add("<service><serviceType>urn:x:service:WANIPConnection:1</serviceType><controlURL>/x</service>")
	f.Add(strings.Repeat("<service>", 500) + strings.Repeat("</service>", 500))
	f.Fuzz(func(t *testing.T, body string) {
		root, err := describeByText(body)
		if err == nil && (len(root.Device.Services) == 0 ||
			len(root.Device.Services) > maxServices) {
			t.Errorf("%d services", len(root.Device.Services))
		}
	})
}

// Of several connections the one counts that is up and public, then the one that is up; "Up" is up;
// the order in the description decides between equal ones alone.
func TestBestConnection(t *testing.T) {
	type link struct{ service, status, address string }
	for _, c := range []struct {
		name  string
		links []link
		want  int
	}{
		{"the first is private", []link{{"WANIPConnection:1", "Connected", "10.71.3.9"}, {"WANIPConnection:1", "Connected", "2.2.2.2"}}, 1},
		{"the IP one is private, the PPP one public", []link{{"WANIPConnection:1", "Connected", "192.168.1.1"}, {"WANPPPConnection:1", "Connected", "2.2.2.2"}}, 1},
		{"the first is dead", []link{{"WANIPConnection:1", "Unconfigured", ""}, {"WANIPConnection:1", "Up", "10.1.1.1"}}, 1},
		{"connected beats public", []link{{"WANIPConnection:1", "Disconnected", "2.2.2.2"}, {"WANIPConnection:1", "Connected", "10.1.1.1"}}, 1},
		{"public beats nothing", []link{{"WANIPConnection:1", "Disconnected", ""}, {"WANPPPConnection:1", "Disconnected", "2.2.2.2"}}, 1},
		{"both are good", []link{{"WANIPConnection:1", "Connected", "2.2.2.2"}, {"WANIPConnection:1", "Connected", "2.2.2.9"}}, 0},
		{"none is", []link{{"WANIPConnection:1", "", ""}, {"WANPPPConnection:1", "", ""}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var services string
			for i, l := range c.links {
				services += fmt.Sprintf("<service><serviceType>urn:schemas-upnp-org:service:%s</serviceType><controlURL>/%d</controlURL></service>",
					l.service, i)
			}

			client := &http.Client{Transport: &sanitizingTransport{RoundTripper: roundTrip(func(r *http.Request) string {
				var i int
				if _, err := fmt.Sscanf(r.URL.Path, "/%d", &i); err != nil {
					return `<root xmlns="urn:schemas-upnp-org:device-1-0"><device><serviceList>` +
						services + "</serviceList></device></root>"
				}

				_, action := soapAction(r)
				if action == "GetStatusInfo" {
					return strings.Replace(soapAnswerOf(action, "NewConnectionStatus",
						c.links[i].status), "</NewConnectionStatus>",
						"</NewConnectionStatus><NewUptime>1</NewUptime>", 1)
				}

				return soapAnswerOf(action, "NewExternalIPAddress", c.links[i].address)
			})}}

			d, err := describe(t.Context(), mustURL("http://10.10.10.1:5000/rootDesc.xml"),
				client, Options{
					System: System{
						Timeout: time.Second,
						Now:     time.Now,
					},
					Owner: Owner{Known: noGrants},
				})

			if err != nil {
				t.Fatal(err)
			}

			if got := d.GetServiceClient().SOAPClient.EndpointURL.Path; got != fmt.Sprintf("/%d",
				c.want) {
				t.Errorf("took %s, want /%d", got, c.want)
			}
		})
	}
}

type roundTrip func(*http.Request) string

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	return canned(f(r)).RoundTrip(r)
}

// The gateway has two descriptions, and only one of them lives: that one is taken, in whatever
// order they answer.
func TestTwoDescriptions(t *testing.T) {
	dead := device1(t, igd.Config{Name: "dead", External: netip.MustParseAddr("10.1.1.1")})
	alive := device1(t, igd.Config{Name: "alive"})
	for _, order := range [][]string{{dead.URL(), alive.URL()}, {alive.URL(), dead.URL()}} {
		for range 3 {
			to := nattest.Responder(t, func(st string) []string {
				return []string{nattest.Answer(st, order[0]), nattest.Answer(st, order[1])}
			})

			r, err := Open(t.Context(), Options{
				Protocol: "upnp",
				System: System{
					Search:   to,
					Gateways: loopbackGateway,
					Timeout:  time.Second,
				},
			})

			if err != nil {
				t.Fatal(err)
			}

			has(t, "device", r.Device(), `"alive"`)
		}
	}
}

package nat

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/huin/goupnp/dcps/internetgateway2"

	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
)

// pinholeRouter is a router that opens pinholes by UPnP. merges: it gives the same pinhole the
// same number.
type pinholeRouter struct {
	mu     sync.Mutex
	merges bool
	next   int
	open   map[int]string
}

func (p *pinholeRouter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const firewall, connection = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1", "urn:schemas-upnp-org:service:WANIPConnection:2"
	p.mu.Lock()
	defer p.mu.Unlock()

	if r.Method == http.MethodGet {
		fmt.Fprintf(w, `<root xmlns="urn:schemas-upnp-org:device-1-0"><device><UDN>uuid:1</UDN><serviceList>`+
			`<service><serviceType>%s</serviceType><controlURL>/ip</controlURL></service>`+
			`<service><serviceType>%s</serviceType><controlURL>/fw</controlURL></service></serviceList></device></root>`,
			connection, firewall)
		return
	}

	body, _ := io.ReadAll(r.Body)
	arg := func(name string) string {
		m := regexp.MustCompile("<" + name + ">([^<]*)<").FindStringSubmatch(string(body))
		if m == nil {
			return ""
		}
		return m[1]
	}

	_, action, _ := strings.Cut(strings.Trim(r.Header.Get("Soapaction"), `"`), "#")
	answer, code := "", 0
	var id int
	fmt.Sscan(arg("UniqueID"), &id)
	_, there := p.open[id]

	switch action {
	case "GetStatusInfo":
		answer = "<NewConnectionStatus>Connected</NewConnectionStatus><NewLastConnectionError>ERROR_NONE</NewLastConnectionError><NewUptime>1000</NewUptime>"
	case "GetExternalIPAddress":
		answer = "<NewExternalIPAddress>2.2.2.2</NewExternalIPAddress>"
	case "AddPinhole":
		what := arg("InternalClient") + " " + arg("InternalPort")
		at := 0
		for n, is := range p.open {
			if p.merges && is == what {
				at = n
			}
		}

		if at == 0 {
			p.next++
			at = p.next
		}

		p.open[at] = what
		answer = fmt.Sprintf("<UniqueID>%d</UniqueID>", at)
	case "DeletePinhole":
		delete(p.open, id)
	case "GetPinholePackets":
		answer = "<PinholePackets>0</PinholePackets>"
	}

	if (action == "DeletePinhole" || action == "GetPinholePackets" ||
		action == "UpdatePinhole") && !there {
		code = codeNoSuchPinhole
	}

	status, text := canonicalSOAP(action, firewall, soapAnswer{code: code})
	if code == 0 {
		text = []byte(strings.Replace(string(text), "></u:", ">"+answer+"</u:", 1))
	}

	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// A run ends between the question for a pinhole and the answer with its number. A later one makes
// the same again and knows it; or takes it away, where the router gives it the same number, and
// else says that it stays until its lease is over.
func TestPinholeWithoutItsNumber(t *testing.T) {
	for _, merges := range []bool{true, false} {
		router := &pinholeRouter{merges: merges, open: map[int]string{}}
		server := httptest.NewServer(router)
		defer server.Close()

		location, _ := url.Parse(server.URL + "/desc.xml")
		six := creation("tcp6/3000", "[::1]:3000")
		grants := map[plan.Key]plan.Grant{}
		open := func() *Router {
			o := Options{
				Owner: Owner{
					Site: "nomeazienda",
					Known: func(k plan.Key) (plan.Grant, bool) {
						g, ok := grants[k]
						return g, ok
					},
				},
				System: System{
					Timeout: 2 * time.Second,
					Now:     time.Now,
				},
			}

			u, err := describe(t.Context(), location, newClient(), o)
			if err != nil {
				t.Fatal(err)
			}

			all, _ := internetgateway2.NewWANIPv6FirewallControl1ClientsFromRootDevice(u.root,
				location)

			all[0].SOAPClient.HTTPClient = *newClient()
			h := &upnpPinholes{
				leaseTable: newLeaseTable("upnp", u.host(), netip.IPv6Loopback(), o),
				upnp:       u,
				firewall:   all[0],
			}

			return &Router{
				device:  u,
				holes:   h,
				known:   o.Known,
				now:     time.Now,
				log:     slog.New(slog.DiscardHandler),
				options: o,
				mark:    forward.Mark("nomeazienda"),
			}
		}

		cutOff := func() { // it was asked for, and the number was never told
			r := open()
			if _, err := r.Read(t.Context(), []plan.Key{six.Key}); err != nil {
				t.Fatal(err)
			}

			grants[six.Key] = *r.Prepare(six)
			if err := r.Apply(t.Context(), []plan.Change{six},
				func(plan.Change, error) {}); err != nil {
				t.Fatal(err)
			}

			if len(router.open) == 0 {
				t.Fatal("nothing was opened")
			}
		}

		cutOff()
		r := open()
		items, err := r.Read(t.Context(), []plan.Key{six.Key})
		if err != nil || len(items) != 1 || !items[0].Unverified || len(items[0].Lines) != 1 {
			t.Fatalf("merges %v: read %+v, %v", merges, items, err)
		}

		again := six
		again.Action = plan.Update
		again.Renew = true
		again.Before = six.After
		err = r.Apply(t.Context(), []plan.Change{again}, func(c plan.Change, err error) {
			if err == nil {
				grants[c.Key] = *c.Grant
			}
		})

		if err != nil || strings.Contains(grants[six.Key].State, "?") ||
			merges && len(router.open) != 1 {
			t.Errorf("merges %v: %v, granted %+v, open %v", merges, err, grants[six.Key],
				router.open)
		}

		if err := open().Apply(t.Context(), []plan.Change{deletion("tcp6/3000", "[::1]:3000")},
			func(plan.Change, error) {}); err != nil {
			t.Errorf("merges %v: removal by its number: %v", merges, err)
		}

		delete(grants, six.Key)
		router.open = map[int]string{}
		cutOff()
		err = open().Apply(t.Context(), []plan.Change{deletion("tcp6/3000", "[::1]:3000")},
			func(plan.Change, error) {})

		stays := new(plan.StaysError)
		switch {
		case merges && (err != nil || len(router.open) != 0):
			t.Errorf("removal: %v, open %v", err, router.open)
		case !merges && (!errors.As(err, &stays) || stays.Left < 50*time.Minute ||
			len(router.open) != 1):
			t.Errorf("removal: %v, open %v", err, router.open)
		}
	}
}

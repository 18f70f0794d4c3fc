package igd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, cfg Config) *Device {
	t.Helper()
	d, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func public() netip.Addr { return netip.MustParseAddr("2.2.2.2") }

// ask sends an action as a client would and returns the HTTP status and the body.
func ask(t *testing.T, d *Device, action string, pairs ...string) (int, string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:%s xmlns:u="%s">`,
		action, d.serviceType())

	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, "<%s>%s</%s>", pairs[i], pairs[i+1], pairs[i])
	}

	fmt.Fprintf(&b, `</u:%s></s:Body></s:Envelope>`, action)
	url := "http://" + d.web.Addr().String() + controlPath
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url,
		strings.NewReader(b.String()))

	if err != nil {
		t.Fatal(err)
	}

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}

	defer resp.Body.Close()

	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}

	return resp.StatusCode, string(body)
}

func add(t *testing.T, d *Device, external int, to netip.AddrPort, lease int) (int, string) {
	t.Helper()
	return ask(t, d, "AddPortMapping", "NewRemoteHost", "", "NewExternalPort",
		fmt.Sprint(external), "NewProtocol", "TCP",
		"NewInternalPort", fmt.Sprint(to.Port()), "NewInternalClient", to.Addr().String(),
		"NewEnabled", "1",
		"NewPortMappingDescription", "a test", "NewLeaseDuration", fmt.Sprint(lease))
}

// greeter is a server that says hello, reads to the end and says what it has read.
func greeter(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}

			wg.Go(func() {
				defer c.Close()
				fmt.Fprintln(c, "hello")
				got, _ := io.ReadAll(c)
				fmt.Fprintf(c, "%d bytes", len(got))
			})
		}
	})

	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestForwardsForReal(t *testing.T) {
	d := start(t, Config{External: public()})
	server := greeter(t)
	if _, err := d.DialWAN(t.Context(), 25); err == nil {
		t.Fatal("port 25 is open before it is mapped")
	}

	if status, body := add(t, d, 25, server, 3600); status != 200 {
		t.Fatalf("AddPortMapping: %d %s", status, body)
	}

	c, err := d.DialWAN(t.Context(), 25)
	if err != nil {
		t.Fatal(err)
	}

	defer c.Close()

	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); line != "hello\n" {
		t.Fatalf("got %q, %v", line, err)
	}

	sent := strings.Repeat("x", 100_000)
	if _, err := io.WriteString(c, sent); err != nil {
		t.Fatal(err)
	}

	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}

	if got, err := io.ReadAll(r); string(got) != "100000 bytes" {
		t.Errorf("after the client's end the server answered %q, %v", got, err)
	}
}

// A mapping that goes takes its connections along.
func TestRebootCuts(t *testing.T) {
	d := start(t, Config{External: public()})
	server := greeter(t)
	add(t, d, 25, server, 0)
	c, err := d.DialWAN(t.Context(), 25)
	if err != nil {
		t.Fatal(err)
	}

	defer c.Close()

	r := bufio.NewReader(c)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}

	d.Reboot()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}

	if _, err := r.ReadByte(); err == nil {
		t.Error("the connection is still open")
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Error("the connection was not cut")
	}

	if m := d.Mappings(); len(m) != 0 {
		t.Errorf("mappings after the reboot: %v", m)
	}
}

func TestLease(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	d := start(t, Config{External: public(), Now: clock})
	to := netip.MustParseAddrPort("127.0.0.1:9")
	add(t, d, 25, to, 60)
	add(t, d, 110, to, 0) // IGD 2: a week
	step := func(by time.Duration, want ...uint16) {
		t.Helper()
		mu.Lock()
		now = now.Add(by)
		mu.Unlock()
		var got []uint16

		for _, m := range d.Mappings() {
			got = append(got, m.External)
		}

		if !slices.Equal(got, want) {
			t.Errorf("mapped are %v, want %v", got, want)
		}
	}

	step(59*time.Second, 25, 110)
	step(time.Second, 110)
	if _, err := d.DialWAN(t.Context(), 25); err == nil {
		t.Error("an expired mapping lets in")
	}

	step(7*24*time.Hour-61*time.Second, 110)
	step(time.Second)
}

func TestAnswers(t *testing.T) {
	other := netip.MustParseAddrPort("127.0.0.9:25")
	mine := netip.MustParseAddrPort("127.0.0.1:25")
	tests := []struct {
		name string
		cfg  Config
		do   func(t *testing.T, d *Device) (int, string)
		want string
	}{
		{"the address", Config{External: public()}, func(t *testing.T, d *Device) (int, string) {
			return ask(t, d, "GetExternalIPAddress")
		}, ">2.2.2.2<"},
		{"no address", Config{}, func(t *testing.T, d *Device) (int, string) {
			return ask(t, d, "GetExternalIPAddress")
		}, "<NewExternalIPAddress></NewExternalIPAddress>"},
		{"no address, no mapping", Config{}, func(t *testing.T, d *Device) (int, string) {
			return add(t, d, 25, mine, 0)
		}, "<errorCode>501<"},
		{"unknown action", Config{}, func(t *testing.T, d *Device) (int, string) {
			return ask(t, d, "GetListOfPortMappings")
		}, "<errorCode>401<"},
		{"absent", Config{}, func(t *testing.T, d *Device) (int, string) {
			return ask(t, d, "GetSpecificPortMappingEntry", "NewExternalPort", "25", "NewProtocol", "TCP")
		}, "<errorCode>714<"},
		{"delete what is absent", Config{}, func(t *testing.T, d *Device) (int, string) {
			return ask(t, d, "DeletePortMapping", "NewExternalPort", "25", "NewProtocol", "TCP")
		}, "<errorCode>714<"},
		{"bad protocol", Config{}, func(t *testing.T, d *Device) (int, string) {
			return ask(t, d, "DeletePortMapping", "NewExternalPort", "25", "NewProtocol", "SCTP")
		}, "<errorCode>402<"},
		{"port 0", Config{External: public()}, func(t *testing.T, d *Device) (int, string) {
			return add(t, d, 0, mine, 0)
		}, "<errorCode>716<"},
		{"taken", Config{External: public()}, func(t *testing.T, d *Device) (int, string) {
			add(t, d, 25, other, 0)
			return add(t, d, 25, mine, 0)
		}, "<errorCode>718<"},
		{"for another host", Config{External: public(), Secure: true}, func(t *testing.T, d *Device) (int, string) {
			return add(t, d, 25, other, 0)
		}, "<errorCode>718<"},
		{"permanent in IGD 1", Config{External: public(), Version: 1}, func(t *testing.T, d *Device) (int, string) {
			add(t, d, 25, mine, 0)
			return ask(t, d, "GetGenericPortMappingEntry", "NewPortMappingIndex", "0")
		}, "<NewLeaseDuration>0<"},
		{"a week in IGD 2", Config{External: public()}, func(t *testing.T, d *Device) (int, string) {
			add(t, d, 25, mine, 0)
			return ask(t, d, "GetGenericPortMappingEntry", "NewPortMappingIndex", "0")
		}, "<NewLeaseDuration>604800<"},
		{"past the end", Config{}, func(t *testing.T, d *Device) (int, string) {
			return ask(t, d, "GetGenericPortMappingEntry", "NewPortMappingIndex", "0")
		}, "<errorCode>713<"},
		{"a fault", Config{External: public()}, func(t *testing.T, d *Device) (int, string) {
			d.Inject(func(Call) Fault { return Fault{Code: 728} })
			return add(t, d, 25, mine, 0)
		}, "<errorCode>728<"},
		{"garbage", Config{External: public()}, func(t *testing.T, d *Device) (int, string) {
			d.Inject(func(Call) Fault { return Fault{Body: "<<<", Status: 503} })
			return add(t, d, 25, mine, 0)
		}, "<<<"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, body := test.do(t, start(t, test.cfg)); !strings.Contains(body, test.want) {
				t.Errorf("answer has no %q:\n%s", test.want, body)
			}
		})
	}
}

func TestSearch(t *testing.T) {
	d := start(t, Config{Version: 1, SSDP: "127.0.0.1:0"})
	c, err := net.Dial("udp", d.SearchAddr().String())
	if err != nil {
		t.Fatal(err)
	}

	defer c.Close()

	for _, st := range []string{"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
		"nonsense", "urn:schemas-upnp-org:device:InternetGatewayDevice:1"} {
		fmt.Fprintf(c, "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: %s\r\n\r\n", st)
	}

	buf := make([]byte, 2048)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}

	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{"LOCATION: " + d.URL() + "\r\n",
		"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"} {
		if !strings.Contains(string(buf[:n]), want) {
			t.Errorf("the first answer has no %q:\n%s", want, buf[:n])
		}
	}
}

func TestCloseWithParent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d, err := Start(ctx, Config{External: public()})
	if err != nil {
		t.Fatal(err)
	}

	add(t, d, 25, netip.MustParseAddrPort("127.0.0.1:9"), 0)
	cancel()
	d.running.Wait()
	if _, err := net.Dial("tcp", d.web.Addr().String()); err == nil {
		t.Error("the device still answers")
	}
}

func TestStartFails(t *testing.T) {
	taken := start(t, Config{}).web.Addr().String()
	for _, bad := range []Config{{Version: 3}, {Listen: taken}, {SSDP: "nowhere"}} {
		if d, err := Start(t.Context(), bad); err == nil {
			d.Close()
			t.Errorf("%+v starts", bad)
		}
	}
}

func FuzzParseCall(f *testing.F) {
	f.Add(`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:GetStatusInfo xmlns:u="x"><A>1</A></u:GetStatusInfo></s:Body></s:Envelope>`)
	f.Add(`<Envelope/>`)
	f.Fuzz(func(t *testing.T, body string) {
		if _, c, err := parseCall(strings.NewReader(body)); err == nil &&
			(c.Action == "" || c.Args == nil) {
			t.Errorf("%q is taken for %+v", body, c)
		}
	})
}

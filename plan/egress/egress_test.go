package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// What rules allows: public addresses, and the ranges that the operator lists.
func TestAllowed(t *testing.T) {
	for address, want := range map[string]bool{
		"2.2.2.2": true, "8.8.8.8": true, "2606:4700::1111": true, "::ffff:2.2.2.2": true,
		"64:ff9b::2.2.2.2": true, // NAT64 of a public address

		"0.0.0.0": false, "10.10.10.10": false, "100.64.0.1": false, "127.0.0.1": false,
		"127.1.2.3": false, "169.254.169.254": false, "172.16.0.1": false, "192.0.0.1": false,
		"192.0.2.1": false, "192.168.1.1": false, "198.18.0.1": false, "198.51.100.1": false,
		"203.0.113.1": false, "224.0.0.1": false, "239.255.255.250": false, "240.0.0.1": false,
		"255.255.255.255": false,

		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"::127.0.0.1": false, "::ffff:0:127.0.0.1": false, "64:ff9b::10.0.0.1": false,
		"64:ff9b::127.0.0.1": false, "64:ff9b:1::2.2.2.2": false, "2001::1": false,
		"2001:db8::1": false, "2002:7f00:1::1": false, "2002:202:202::1": false,
		"fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fe80::1%eth0": false,
		"2606:4700::1%eth0": false, "fec0::1": false, "ff02::1": false, "5f00::1": false,
		"2606:4700::5efe:10.0.0.1": false,

		"10.20.1.1": true, "::ffff:10.20.1.1": true, "10.21.1.1": false, "fd12::1": true,
		"64:ff9b::10.20.1.1": true,
	} {
		ctx := With(t.Context(), Rules{Allow: prefixes("10.20.3.4/16", "fd12::/32")})
		err := Allowed(ctx, netip.MustParseAddr(address))
		if (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", address, err, want)
		}

		if refused := (*Error)(nil); err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: %T", address, err)
		}

		if err := Allowed(t.Context(), netip.MustParseAddr(address)); err != nil {
			t.Errorf("%s without rules: %v", address, err)
		}
	}

	if Allowed(With(t.Context(), Rules{}), netip.Addr{}) == nil {
		t.Error("no address is allowed")
	}
}

// Only sockets of TCP and UDP with an address are allowed, and Without ends a limit.
func TestControl(t *testing.T) {
	ctx := With(t.Context(), Rules{})
	for _, to := range [][2]string{{"unix", "/run/docker.sock"}, {"unixgram", "/dev/log"},
		{"ip4:icmp", "2.2.2.2"}, {"tcp4", "localhost:25"}, {"tcp", ""},
		{"udp4", "127.0.0.1:53"},
		{"tcp6", "[::1]:25"}} {
		if Control(ctx, to[0], to[1], nil) == nil {
			t.Errorf("%v is allowed", to)
		}
		if err := Control(Without(ctx), to[0], to[1], nil); err != nil {
			t.Errorf("%v: %v", to, err)
		}
	}

	if err := Control(ctx, "udp6", "[2606:4700::1111]:53", nil); err != nil {
		t.Error(err)
	}

	if Limited(t.Context()) || Limited(Without(ctx)) || !Limited(ctx) {
		t.Error("Limited")
	}

	if err := Refuse(ctx, "a search for routers"); err == nil ||
		!strings.HasPrefix(err.Error(), "a search for routers is not available") {
		t.Error(err)
	}

	if err := Refuse(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

// trap is a listener that counts who connects.
func trap(t *testing.T) (addr string, connected *atomic.Int32) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { l.Close() })
	connected = new(atomic.Int32)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connected.Add(1)
			c.Close()
		}
	}()

	return l.Addr().String(), connected
}

// A name that leads to loopback is refused when it is connected to, over TCP and UDP.
func TestDialer(t *testing.T) {
	addr, connected := trap(t)
	_, port, _ := net.SplitHostPort(addr)
	ctx := With(t.Context(), Rules{})

	for _, to := range []string{addr, net.JoinHostPort("localhost", port)} {
		for _, network := range []string{"tcp", "udp"} {
			conn, err := Dialer().DialContext(ctx, network, to)
			if err == nil {
				conn.Close()
			}
			if refused := (*Error)(nil); !errors.As(err, &refused) {
				t.Errorf("%s %s: %v", network, to, err)
			}
		}
	}

	if n := connected.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}

	conn, err := Dialer().DialContext(With(t.Context(),
		Rules{Allow: prefixes("127.0.0.0/8")}), "tcp", addr)

	if err != nil {
		t.Fatal(err)
	}

	conn.Close()
}

func get(ctx context.Context, tr http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}

	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		return err
	}

	defer resp.Body.Close()

	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// A connection that one set of rules opened is not used by a request with another, nor is a proxy.
func TestTransport(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked++
	}))

	defer server.Close()

	var tr Transport
	defer tr.CloseIdleConnections()

	t.Setenv("HTTP_PROXY", server.URL)

	if err := get(t.Context(), &tr, server.URL); err != nil {
		t.Fatal(err)
	}

	if err := get(With(t.Context(), Rules{Allow: prefixes("127.0.0.0/8")}), &tr,
		server.URL); err != nil {
		t.Fatal(err)
	}

	if asked != 2 {
		t.Fatalf("asked %d times", asked)
	}

	for _, url := range []string{server.URL, "http://name.invalid/"} {
		if err := get(With(t.Context(), Rules{}), &tr, url); err == nil {
			t.Errorf("%s: no error", url)
		}
	}

	var refused *Error
	if err := get(With(t.Context(), Rules{}), &tr, server.URL); !errors.As(err, &refused) ||
		asked != 2 {
		t.Errorf("%v, asked %d times", err, asked)
	}

	for i := range 2 * maxTransports {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)
		_ = get(With(t.Context(), Rules{Allow: []netip.Prefix{prefix}}), &tr, server.URL)
	}

	if n := len(tr.byRules); n > maxTransports || asked != 2 {
		t.Errorf("%d transports, asked %d times", n, asked)
	}
}

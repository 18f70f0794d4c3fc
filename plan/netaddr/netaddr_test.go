package netaddr

import (
	"net/netip"
	"testing"
)

// A public address, and the first and last one of each block and its neighbours.
func TestFind(t *testing.T) {
	for address, want := range map[string]Kind{
		"2.2.2.2": Public, "9.255.255.255": Public, "11.0.0.0": Public,
		"100.63.255.255": Public, "100.128.0.0": Public,
		"172.15.255.255": Public, "172.32.0.0": Public, "192.0.1.0": Public,
		"198.17.255.255": Public, "198.20.0.0": Public,
		"223.255.255.255": Public, "8.8.8.8": Public, "1.1.1.1": Public,
		"0.0.0.0": Unspecified, "0.1.2.3": Unspecified, "10.0.0.0": Private,
		"10.255.255.255": Private,
		"100.64.0.0":     Shared, "100.127.255.255": Shared, "127.0.0.1": Loopback,
		"169.254.1.1": LinkLocal,
		"172.16.0.0":  Private, "172.31.255.255": Private, "192.0.0.1": Reserved,
		"192.0.0.9": Reserved, "192.0.0.171": Reserved,
		"192.0.2.1": Documentation, "198.51.100.1": Documentation, "203.0.113.1": Documentation,
		"192.31.196.1": Reserved, "192.52.193.1": Reserved, "192.88.99.1": Reserved,
		"192.175.48.1": Reserved,
		"192.168.1.1":  Private, "198.18.0.1": Benchmark, "198.19.255.255": Benchmark,
		"224.0.0.1": Multicast, "239.255.255.250": Multicast, "240.0.0.1": Reserved,
		"255.255.255.255": Reserved,

		"2606:4700::1111": Public, "2a00:1450::1": Public, "2003::1": Public,
		"3ffe::1": Public, "2620:4f:7fff::1": Public,
		"::": Unspecified, "::1": Loopback, "::2.2.2.2": Translated, "::ffff:2.2.2.2": Public,
		"::ffff:10.0.0.1":  Private,
		"::ffff:0:2.2.2.2": Translated, "64:ff9b::2.2.2.2": Translated,
		"64:ff9b:1::1": Translated, "64:ff9b:1:ffff::1": Translated,
		"64:ff9b:2::1": Reserved, "100::1": Reserved, "100:0:0:1::1": Reserved,
		"100:0:0:2::1": Reserved,
		"2001::1":      Translated, "2001:1::1": Reserved, "2001:1::3": Reserved,
		"2001:2::1": Benchmark, "2001:3::1": Reserved,
		"2001:4:112::1": Reserved, "2001:10::1": Reserved, "2001:20::1": Reserved,
		"2001:3f::1": Reserved, "2001:1ff::1": Reserved,
		"2001:200::1": Public, "2001:db8::1": Documentation, "2001:db9::1": Public,
		"2002:202:202::1": Translated,
		"2620:4f:8000::1": Reserved, "3fff::1": Documentation, "3fff:fff::1": Documentation,
		"3fff:1000::1": Public,
		"4000::1":      Reserved, "5f00::1": Reserved, "8000::1": Reserved, "fc00::1": Private,
		"fd00::1": Private, "fe00::1": Reserved,
		"fe80::1": LinkLocal, "fe80::1%eth0": LinkLocal, "2606::1%eth0": LinkLocal,
		"fec0::1": Private, "ff02::1": Multicast,
		"2606:4700::5efe:2.2.2.2": Translated, "2606:4700::200:5efe:10.0.0.1": Translated,
		"2606:4700::400:5efe:2.2.2.2": Public,
	} {
		a := netip.MustParseAddr(address)
		b, ok := Find(a)
		if b.Kind != want || ok != (want != Public) || (b.Text == "") != (want == Public) {
			t.Errorf("%s is %q (%q), want %q", address, b.Kind, b.Text, want)
		}

		if KindOf(a) != want || NotPublic(a) != b.Text {
			t.Errorf("%s: %q, %q", address, KindOf(a), NotPublic(a))
		}
	}

	if b, ok := Find(netip.Addr{}); !ok || b.Kind != Unspecified {
		t.Errorf("no address is %+v", b)
	}
}

func TestEmbedded(t *testing.T) {
	for address, want := range map[string]string{
		"::ffff:192.0.2.33": "192.0.2.33", "::192.0.2.33": "192.0.2.33",
		"::ffff:0:192.0.2.33": "192.0.2.33",
		"64:ff9b::192.0.2.33": "192.0.2.33", "64:ff9b:1::192.0.2.33": "192.0.2.33",
		"2002:c000:221::1":                     "192.0.2.33",
		"2001:0:4136:e378:8000:63bf:3fff:fdd2": "192.0.2.45", // the example of RFC 4380
		"2606:4700::5efe:192.0.2.33":           "192.0.2.33",
		"fe80::200:5efe:192.0.2.33":            "192.0.2.33",
		"2606:4700::1":                         "", "::1": "", "::": "", "192.0.2.33": "",
		"2003:c000:221::1": "",
	} {
		got, ok := Embedded(netip.MustParseAddr(address))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s holds %v, %v, want %q", address, got, ok, want)
		}
	}
}

// No block is there twice, and each has a text.
func TestBlocks(t *testing.T) {
	seen := map[netip.Prefix]bool{}
	for _, b := range blocks() {
		if seen[b.Prefix] || b.Text == "" || b.Kind == Public || b.Prefix != b.Prefix.Masked() {
			t.Errorf("%+v", b)
		}
		seen[b.Prefix] = true
	}

	if len(seen) < 50 {
		t.Errorf("only %d blocks", len(seen))
	}
}

func BenchmarkFind(b *testing.B) {
	a := netip.MustParseAddr("2606:4700::1111")
	for b.Loop() {
		Find(a)
	}
}

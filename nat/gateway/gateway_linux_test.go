package gateway

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// word is an address as the kernel writes it on this machine.
func word(a string) string {
	raw := netip.MustParseAddr(a).As4()
	return fmt.Sprintf("%08X", binary.NativeEndian.Uint32(raw[:]))
}

func TestParseRoutes(t *testing.T) {
	const heading = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	line := func(dest, via string, metric int, mask string) string {
		return fmt.Sprintf("eth0\t%s\t%s\t0003\t0\t0\t%d\t%s\t0\t0\t0\n", dest, via, metric,
			mask)
	}

	const none = "00000000"
	table := heading + line(none, word("192.168.2.1"), 600, none) +
		line(none, word("10.10.10.1"), 100, none) +
		line(word("10.10.10.0"), none, 0, word("255.255.255.0")) + line(none, none, 5, none) +
		line(none, word("10.8.0.1"), 1, word("128.0.0.0"))

	got, err := parseRoutes(strings.NewReader(table))
	want := []route{{"eth0", netip.IPv4Unspecified(), 5},
		{"eth0", netip.MustParseAddr("10.10.10.1"), 100},
		{"eth0", netip.MustParseAddr("192.168.2.1"), 600}}

	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}

	if got, err := parseRoutes(strings.NewReader(heading)); err != nil || len(got) != 0 {
		t.Errorf("without routes: %v, %v", got, err)
	}

	if _, err := parseRoutes(strings.NewReader(heading +
		line(none, "nonsense", 1, none))); err == nil {
		t.Error("nonsense was taken")
	}
}

func TestParseRoutes6(t *testing.T) {
	const table = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8001000000000000000000001 00000400 00000001 00000000 00000003     eth1\n" +
		"20010db8001000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n" +
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000064 00000001 00000000 00000003     eth0\n" +
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"

	got, err := parseRoutes6(strings.NewReader(table))
	if err != nil || fmt.Sprint(got) != "[fe80::1%eth0 2001:db8:10::1]" {
		t.Errorf("got %v, %v", got, err)
	}

	if _, err := parseRoutes6(strings.NewReader(strings.ReplaceAll(table, "fe80",
		"xe80"))); err == nil {
		t.Error("garbage is read")
	}
}

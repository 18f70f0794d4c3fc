package resolver

import (
	"errors"
	"net"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// systemServers returns the name servers of the adapters that are up, as host:port.
func systemServers() ([]string, error) {
	size := uint32(16 << 10)
	var first *windows.IpAdapterAddresses
	for {
		buf := make([]byte, size)
		first = (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, windows.GAA_FLAG_SKIP_UNICAST, 0, first, &size)
		if err == nil {
			break
		}
		if !errors.Is(err, windows.ERROR_BUFFER_OVERFLOW) {
			return nil, os.NewSyscallError("GetAdaptersAddresses", err)
		}
	}
	var out []string
	for a := first; a != nil; a = a.Next {
		if a.OperStatus != windows.IfOperStatusUp {
			continue
		}
		for d := a.FirstDnsServerAddress; d != nil; d = d.Next {
			ip := d.Address.IP()
			// Windows lists fec0:0:0:ffff::1 to 3 where nothing is configured.
			if ip == nil || len(ip) == net.IPv6len && ip[0] == 0xfe && ip[1] == 0xc0 {
				continue
			}
			if s := net.JoinHostPort(ip.String(), "53"); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no adapter that is up names one")
	}
	return out, nil
}

package dnscheck

import (
	"strings"
	"testing"
)

// Whatever is in a hosts file: what is read of it are addresses of absolute names in small letters.
func FuzzReadHosts(f *testing.F) {
	for _, text := range []string{"127.0.0.1 localhost\n", "::1\tMail.X.IT. mail#x\n",
		"10.1.1.1 a b c\r\n", "fe80::1%eth0 x", strings.Repeat("1 ", 70000)} {
		f.Add(text)
	}

	f.Fuzz(func(t *testing.T, text string) {
		table, err := hostsIn(strings.NewReader(text))
		if err != nil {
			return
		}

		for name, addrs := range table {
			if !strings.HasSuffix(name, ".") || name != strings.ToLower(name) ||
				len(addrs) == 0 {
				t.Fatalf("%q: %v", name, addrs)
			}
		}
	})
}

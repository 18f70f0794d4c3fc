package providers

import "testing"

// By dynamic updates to the same server.
func TestPowerDNSUpdates(t *testing.T) {
	for _, test := range []struct {
		name     string
		signed   bool
		transfer []string
	}{
		{"with transfer", false, []string{"mailpub", "reader"}},
		{"without transfer", false, []string{"reader"}},
		{"signed", true, []string{"mailpub", "reader"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := startPowerDNS(t)
			runUpdates(t, nameServer{p.addr, test.name == "without transfer", func(t *testing.T) string { return p.fresh(t, test.signed, test.transfer...) }})
		})
	}
}

package rfc2136

import (
	"testing"

	"github.com/mailpub/mailpub/providers/servertest"
)

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
			p := servertest.StartPowerDNS(t)
			runUpdates(t, nameServer{p.Addr, test.name == "without transfer",
				func(t *testing.T) string {
					return p.Fresh(t, test.signed, test.transfer...)
				}})
		})
	}
}

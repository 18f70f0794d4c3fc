package rfc2136

import (
	"testing"

	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

func openTest(t *testing.T, server string, change func(*zone.Options)) *zone.Zone {
	t.Helper()
	o := zone.Options{Zone: zonetest.Zone, Settings: map[string]string{
		"server": server, "key_name": "mailpub.", "key": zonetest.Secret,
	}}

	if change != nil {
		change(&o)
	}

	z, err := zone.Open(Provider(), o)
	if err != nil {
		t.Fatal(err)
	}

	z.Pauses = nil
	return z
}

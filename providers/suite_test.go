package providers

import (
	"testing"
)

func openTest(t *testing.T, server string, change func(*Options)) *Zone {
	t.Helper()
	o := Options{Zone: testZone, Settings: map[string]string{
		"server": server, "key_name": "mailpub.", "key": testSecret,
	}}
	if change != nil {
		change(&o)
	}
	z, err := openZone(rfc2136Provider(), o)
	if err != nil {
		t.Fatal(err)
	}
	z.pauses = nil
	return z
}

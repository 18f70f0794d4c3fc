package config

import (
	"errors"
	"testing"
)

// Whatever is in a file: it is a config whose site can be planned, or an error that says where.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("server: &s {hostname: mail.a.b.it, public: *s}\n"))
	f.Add([]byte("a: &a [*a, *a]\nb: [*a, *a, *a]\n"))
	f.Add([]byte("site: x\ndomains: [{name: x.it, ttl: 1h, dkim: [{selector: a, ttl: 5m}]}]\nzones: 7\n"))
	f.Add([]byte("\xff\xfes\x00i\x00t\x00e\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := parse("site.yaml", data, readOwned)
		var c *Config
		if err == nil {
			c, err = u.Check()
		}

		var problems Errors
		switch {
		case err == nil:
			if _, err := c.PlanSite().Desired(); err != nil {
				t.Fatalf("a checked config can't be planned: %v", err)
			}
		case errors.As(err, &problems) && len(problems) == 0:
			t.Fatal("an error that names no problem")
		}
	})
}

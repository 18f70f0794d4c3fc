package providers_test

import (
	"context"
	"fmt"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/zone"
)

// A zone is opened at its provider, read, and changed: what is written is compared with what the
// change was made from, and read back.
func ExampleOpen() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	key := authdns.Key{
		Name:   "mailpub.",
		Alg:    "hmac-sha256",
		Secret: "c2VjcmV0IG9mIHRoZSBleGFtcGxl",
	}

	server, err := authdns.Start(ctx, authdns.Config{Key: key, Zones: map[string]string{
		"example.org.": "@ 3600 IN SOA ns hostmaster 1 3600 600 86400 300\n@ 3600 IN NS ns\nns 3600 IN A 127.0.0.1\n",
	}})

	if err != nil {
		fmt.Println(err)
		return
	}

	defer server.Close()

	driver, err := providers.Open("rfc2136", zone.Options{
		Zone: "example.org",
		Settings: map[string]string{
			"server":   server.Addr(),
			"key_name": key.Name,
			"key":      key.Secret,
		},
	})

	if err != nil {
		fmt.Println(err)
		return
	}

	change := plan.Change{
		Key:    mail.DNSKey("example.org", "MX"),
		Action: plan.Create,
		After:  []string{mail.RecordLine("10 mail.example.org.", 3600)},
	}

	err = driver.Apply(ctx, []plan.Change{change}, func(c plan.Change, err error) {
		fmt.Println(c.Key, err)
	})

	if err != nil {
		fmt.Println(err)
		return
	}

	items, err := driver.Read(ctx, []plan.Key{change.Key})
	fmt.Println(items[0].Lines, err)
	// Output:
	// dns example.org. MX <nil>
	// [10 mail.example.org. ttl 3600] <nil>
}

// The settings of a provider are checked without asking it.
func ExampleCheckSettings() {
	for _, e := range providers.CheckSettings("hetzner",
		map[string]string{"tokn": "env:TOKEN"}) {
		fmt.Println(e)
	}
	// Output:
	// setting "token": missing; want API token of the project that holds the zone
	// setting "tokn": unknown setting, did you mean "token"; want one of token
}

package webapi

import (
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/zone"
)

// nearestZone is didYouMean for zones: the one that holds the name comes first.
func nearestZone(name string, known []string) string {
	holder := ""
	for _, k := range known {
		if mail.Within(name, k) && len(k) > len(holder) {
			holder = k
		}
	}

	if holder != "" {
		return fmt.Sprintf(": give %q, which holds it", strings.TrimSuffix(holder, "."))
	}

	bare := make([]string, len(known))
	for i, k := range known {
		bare[i] = strings.TrimSuffix(k, ".")
	}

	return zone.DidYouMean(strings.TrimSuffix(name, "."), bare)
}

// NoZone is the error for a zone that owner, the account or the server, does not have.
func NoZone(api, owner, zone string, known []string) error {
	return fmt.Errorf("%s: %s has no zone %s%s", api, owner, strings.TrimSuffix(zone, "."),
		nearestZone(zone, known))
}

// ZoneRef is what lists of zones have in common.
type ZoneRef struct{ Name string }

func ZoneNames(list []ZoneRef) (out []string) {
	for _, n := range list {
		out = append(out, n.Name)
	}
	return out
}

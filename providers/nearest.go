package providers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

func contains(list []string, s string) bool { return slices.Contains(list, s) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// didYouMean returns `, did you mean "..."` for the nearest of the known names, or
// nothing where none is near.
func didYouMean(name string, known []string) string {
	best := plan.Nearest(name, known)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q", best)
}

// nearestZone is didYouMean for zones: the one that holds the name comes first.
func nearestZone(zone string, known []string) string {
	holder := ""
	for _, k := range known {
		if plan.Within(zone, k) && len(k) > len(holder) {
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
	return didYouMean(strings.TrimSuffix(zone, "."), bare)
}

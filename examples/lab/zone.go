package lab

import (
	"slices"
	"strings"
)

// zoneLines sorts the records that dig printed and leaves out SOA and TSIG, and what signing
// adds.
func zoneLines(dig string) []string {
	moving := []string{"SOA", "TSIG", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS",
		"CDNSKEY", "TYPE65534"}

	var lines []string
	for l := range strings.Lines(dig) {
		f := strings.Fields(l)
		if len(f) < 5 || strings.HasPrefix(f[0], ";") || slices.Contains(moving, f[3]) {
			continue
		}
		lines = append(lines, strings.Join(f, " "))
	}

	slices.Sort(lines)
	return lines
}

package lab

import (
	"slices"
	"strings"
)

// zoneLines sorts the records that dig printed and leaves out SOA and TSIG.
func zoneLines(dig string) []string {
	var lines []string
	for l := range strings.Lines(dig) {
		f := strings.Fields(l)
		if len(f) < 5 || strings.HasPrefix(f[0], ";") || f[3] == "SOA" || f[3] == "TSIG" {
			continue
		}
		lines = append(lines, strings.Join(f, " "))
	}
	slices.Sort(lines)
	return lines
}

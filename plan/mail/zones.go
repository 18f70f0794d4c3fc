package mail

// ZoneOf returns the zone that holds name: the longest one it lies within.
func (s Spec) ZoneOf(name string) (Zone, bool) { return zoneOf(s.zoneIndex(), name) }

func (s Spec) zoneIndex() map[string]Zone {
	index := make(map[string]Zone, len(s.Zones))
	for _, z := range s.Zones {
		index[FQDN(z.Name)] = z
	}
	return index
}

func zoneOf(index map[string]Zone, name string) (Zone, bool) {
	for n := range Enclosing(name) {
		if z, ok := index[n]; ok {
			return z, true
		}
	}
	return Zone{}, false
}

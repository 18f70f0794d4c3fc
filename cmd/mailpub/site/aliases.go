package site

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
)

// aliasReader is a driver of a zone that knows which of the names that it read are aliases.
type aliasReader interface {
	// AliasOf returns the name that a name of the zone is an alias of; "" where it is none.
	AliasOf(name string) string
}

// refuseAliases makes a manual step of records that would newly name an alias where none may be named. Name servers
// refuse such a record, or serve it, and then some senders do not deliver.
func refuseAliases(parties []Party, changes []plan.Change) {
	for i, c := range changes {
		for _, host := range namedHosts(c) {
			target := aliasOf(parties, host)
			if target == "" {
				continue
			}

			_, rrtype, _, _ := mail.SplitDNSKey(c.Key)
			changes[i].Action = plan.Manual
			changes[i].Reason = fmt.Sprintf("%s is an alias of %s (CNAME), which %s may not name (%s): give %s an address record of its own in place "+
				"of the CNAME, or name another host in the config", record.Bare(host),
				record.Bare(target), rrtype, aliasRule[rrtype], record.Bare(host))

			break
		}
	}
}

// aliasRule says for each type of record why it may not name an alias.
var aliasRule = map[string]string{"MX": "RFC 2181 section 10.3", "SRV": "RFC 2782"}

// namedHosts are the hosts that a change newly names where no alias may stand.
func namedHosts(c plan.Change) (hosts []string) {
	_, rrtype, _, err := mail.SplitDNSKey(c.Key)
	if err != nil || aliasRule[rrtype] == "" || c.Action == plan.Delete ||
		c.Action == plan.Unreadable {
		return nil
	}

	before := hostsIn(rrtype, c.Before)
	for _, host := range hostsIn(rrtype, c.After) {
		if host != "." && !slices.Contains(before, host) {
			hosts = append(hosts, host)
		}
	}

	return hosts
}

// hostsIn are the hosts in the data of MX and SRV records.
func hostsIn(rrtype string, lines []string) (hosts []string) {
	at := map[string]int{"MX": 1, "SRV": 3}[rrtype]
	for _, line := range lines {
		if f := strings.Fields(line); len(f) > at {
			hosts = append(hosts, mail.FQDN(f[at]))
		}
	}
	return hosts
}

func aliasOf(parties []Party, host string) string {
	for _, p := range parties {
		if reader, ok := p.Driver.(aliasReader); ok && p.Target.Kind == plan.TargetZone &&
			mail.Within(host, mail.FQDN(p.Target.Name)) {
			if target := reader.AliasOf(host); target != "" {
				return target
			}
		}
	}

	return ""
}

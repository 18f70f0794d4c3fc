package mail

import (
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// Kinds of targets that a site has one of, beside its zones.
const (
	TargetService = "mail service"
	TargetRouter  = "router"
	TargetReverse = "reverse zone of the provider" // whoever names the public addresses
	TargetWeb     = "web server"                   // whoever serves the MTA-STS policies
)

// ZoneTarget is the target of a zone's records.
func ZoneTarget(zone string) plan.Target {
	return plan.Target{Kind: plan.TargetZone, Name: strings.TrimSuffix(zone, ".")}
}

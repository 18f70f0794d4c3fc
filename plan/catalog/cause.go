package catalog

import (
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// NewReport makes the report of a site's checks, and finds what several findings have in common: the
// causes are in the report, the one to mend first in front, and each consequence names its cause.
// A finding from which nothing follows is no cause, and no consequence has two. The checks that it
// is given stay as they are.
func NewReport(site string, checks []plan.Check) plan.Report {
	r := plan.Report{Site: site, Checks: slices.Clone(checks)}
	for i := range r.Checks {
		r.Checks[i].Cause = ""
	}

	leads := map[int]bool{}
	for _, rule := range causeRules() {
		for i, c := range r.Checks {
			if c.Status == plan.Pass || c.Cause != "" || leads[i] {
				continue
			}

			says := rule.says(c, r.Checks)
			if says == "" {
				continue
			}

			if follow := rule.consequences(i, r.Checks, leads); follow != nil {
				leads[i] = true
				r.Causes = append(r.Causes, plan.Cause{
					Says:         says,
					Check:        i,
					Consequences: follow,
				})
			}
		}
	}

	return r
}

// consequences marks what follows from a check, and returns the indices.
func (rule causeRule) consequences(i int, checks []plan.Check, leads map[int]bool) (follow []int) {
	c := checks[i]
	for j, other := range checks {
		known := other.Status == plan.Pass || other.Reason == plan.ReasonUnseen ||
			other.Cause != ""
		if j == i || known || leads[j] || !rule.explains(c, other, checks) {
			continue
		}
		checks[j].Cause = c.ID
		follow = append(follow, j)
	}

	return follow
}

// causeRule is one way in which findings hang together.
type causeRule struct {
	says     func(c plan.Check, all []plan.Check) string // "" where c is no such cause
	explains func(c, other plan.Check, all []plan.Check) bool
}

// causeRules go from the way in to the server, and end with DNS: what is further out explains more.
func causeRules() []causeRule {
	return []causeRule{
		{failing(RouterGateway, "no router answers"), func(_, o plan.Check, _ []plan.Check) bool {
			return strings.HasPrefix(o.ID, "router.") && o.Reason == plan.ReasonSilent || fromOutside(o)
		}},
		{failing(RouterWAN, "the router is behind another one (double NAT)"), func(_, o plan.Check, _ []plan.Check) bool {
			return o.ID == RouterAddress || fromOutside(o)
		}},
		{reason(RouterAddress, plan.ReasonAbsent, "DNS has no address of the mail host"), func(_, o plan.Check, _ []plan.Check) bool {
			return o.Status == plan.Fail && slices.Contains([]string{HostA, HostFCrDNS, SPFPass}, o.ID) || fromOutside(o)
		}},
		{failing(RouterAddress, "the public address changed and differs from DNS"), func(_, o plan.Check, _ []plan.Check) bool {
			return o.Status == plan.Fail && slices.Contains([]string{HostA, HostPTR, HostFCrDNS, SPFPass}, o.ID) || fromOutside(o)
		}},
		{allForwards(plan.ReasonLost, "the router forgot its forwards (it restarted)"), func(_, o plan.Check, _ []plan.Check) bool {
			return o.ID == RouterForward && o.Reason == plan.ReasonLost || fromOutside(o)
		}},
		{allForwards(plan.ReasonLapsed, "the leases of the forwards ran out, as nothing renewed them"), func(_, o plan.Check, _ []plan.Check) bool {
			return o.ID == RouterForward && o.Reason == plan.ReasonLapsed || fromOutside(o)
		}},
		{forwardMissing, func(c, o plan.Check, _ []plan.Check) bool {
			return o.ID == PortOutside && o.Subject.Port == c.Subject.Port || c.Subject.Port == 25 && message(o)
		}},
		{reason(PortInside, plan.ReasonStandIn, "the mail server does not run (only mailpub's temporary receiver answered)"), dependsOnMailServer},
		{reason(PortInside, plan.ReasonDown, "the mail server is down"), dependsOnMailServer},
		{reason(DNSWritten, plan.ReasonElsewhere, "zone %s is written where the delegated name servers do not get it from"), inUndelegatedZone},
		{failing(MXExpected, "the MX records point to another server"), func(c, o plan.Check, all []plan.Check) bool {
			return o.ID == DNSDrift && o.Subject.Key == mail.DNSKey(c.Subject.Name, "MX") || o.Reason == plan.ReasonAstray || o.ID == PortSource && isMisdirected(all)
		}},
		{reason(DNSZone, plan.ReasonSilent, "no name server of %s answers"), unanswered},
		{reason(DNSZone, plan.ReasonPartly, "a name server of %s does not answer for it"), unanswered},
	}
}

func failing(id, says string) func(plan.Check, []plan.Check) string {
	return func(c plan.Check, _ []plan.Check) string {
		if c.ID == id && c.Status == plan.Fail {
			return says
		}
		return ""
	}
}

// reason holds for a check with a reason. In what it says %s is the subject.
func reason(id string, r plan.Reason, says string) func(plan.Check, []plan.Check) string {
	return func(c plan.Check, _ []plan.Check) string {
		if c.ID == id && c.Reason == r {
			return strings.Replace(says, "%s", c.Subject.String(), 1)
		}
		return ""
	}
}

// message reports whether a check is of the message that is sent from outside.
func message(c plan.Check) bool { return c.ID == MailOutside || c.ID == PortSource }

// fromOutside reports whether a check needs that the server is reached from outside.
func fromOutside(c plan.Check) bool { return c.ID == PortOutside || message(c) }

// isMisdirected reports whether the message from outside was led elsewhere.
func isMisdirected(all []plan.Check) bool {
	return slices.ContainsFunc(all, func(c plan.Check) bool {
		return c.Reason == plan.ReasonAstray
	})
}

// allForwards holds for a router that has none of the forwards that mailpub put there, each for
// the same reason.
func allForwards(why plan.Reason, says string) func(plan.Check, []plan.Check) string {
	return func(c plan.Check, all []plan.Check) string {
		if c.ID != RouterForward || c.Reason != why {
			return ""
		}

		for _, o := range all {
			if o.ID == RouterForward && o.Reason != why {
				return ""
			}
		}

		return says
	}
}

// forwardMissing holds for a single forward that is not as it should be.
func forwardMissing(c plan.Check, _ []plan.Check) string {
	if c.ID != RouterForward || c.Status != plan.Fail {
		return ""
	}
	return "the router does not let " + c.Subject.String() + " through to the server"
}

// dependsOnMailServer is what follows where the mail server does not run: its dialogs, its other ports
// unless some of them still listen, and what is reached through these.
func dependsOnMailServer(_, o plan.Check, all []plan.Check) bool {
	area, _, _ := strings.Cut(o.ID, ".")
	switch {
	case o.Reason == plan.ReasonSilent && slices.Contains([]string{"smtp", "relay", "account",
		"service", "mail"}, area):
		return true
	case o.Reason == plan.ReasonMute:
		return true
	case o.ID == PortInside:
		return o.Status == plan.Fail && !slices.ContainsFunc(all, func(c plan.Check) bool {
			return c.ID == o.ID && c.Status == plan.Pass
		})
	case o.ID == PortOutside:
		return !slices.ContainsFunc(all, func(c plan.Check) bool {
			return c.ID == PortInside && c.Status == plan.Pass &&
				c.Subject.Service == o.Subject.Service
		})
	}

	return message(o)
}

// unanswered is what can't be known, or not for sure, where servers of a zone do not answer.
func unanswered(c, o plan.Check, _ []plan.Check) bool {
	return o.Status != plan.Fail && (o.Reason == plan.ReasonSilent ||
		o.Reason == plan.ReasonPartly) && isInZone(o.Subject, c.Subject.Name)
}

// inUndelegatedZone is what is wrong in a zone whose written records nobody sees.
func inUndelegatedZone(c, o plan.Check, _ []plan.Check) bool {
	area, _, _ := strings.Cut(o.ID, ".")
	inDNS := slices.Contains([]string{"host", "mx", "spf", "dkim", "dmarc", "sts", "tlsrpt",
		"dane", "caa", "srv", "autoconfig", "dns"}, area)
	return inDNS && (o.Status == plan.Fail || o.Status == plan.Warn) &&
		isInZone(o.Subject, c.Subject.Name)
}

// isInZone reports whether a subject has a name in a zone.
func isInZone(s plan.Subject, zone string) bool {
	return slices.ContainsFunc([]string{s.Name, s.Host}, func(name string) bool {
		return name != "" && mail.Within(mail.FQDN(name), mail.FQDN(zone))
	})
}

package mail

import (
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// Cause is a finding that others follow from.
type Cause struct {
	Says         string // in a few words: "the router forgot its forwards (it restarted)"
	Check        int    // index of the finding
	Consequences []int  // indices of what follows from it, in their order
}

// Causes finds what several findings have in common. It writes the id of the cause into the
// Cause of each consequence, in place, and returns the causes, the one to mend first in front.
// A finding from which nothing follows is no cause, and no consequence has two.
func Causes(checks []plan.Check) (causes []Cause) {
	for i := range checks {
		checks[i].Cause = ""
	}
	leads := map[int]bool{}
	for _, r := range causeRules() {
		for i, c := range checks {
			if c.Status == plan.Pass || c.Cause != "" || leads[i] {
				continue
			}
			says := r.says(c, checks)
			if says == "" {
				continue
			}
			cause := Cause{Says: says, Check: i}
			for j, other := range checks {
				if j == i || other.Status == plan.Pass || other.Reason == plan.ReasonUnseen || other.Cause != "" || leads[j] || !r.explains(c, other, checks) {
					continue
				}
				checks[j].Cause = c.ID
				cause.Consequences = append(cause.Consequences, j)
			}
			if cause.Consequences != nil {
				leads[i] = true
				causes = append(causes, cause)
			}
		}
	}
	return causes
}

// causeRule is one way in which findings hang together.
type causeRule struct {
	says     func(c plan.Check, all []plan.Check) string // "" where c is no such cause
	explains func(c, other plan.Check, all []plan.Check) bool
}

// causeRules go from the way in to the server, and end with DNS: what is further out explains more.
func causeRules() []causeRule {
	return []causeRule{
		{failing("router.gateway", "no router answers"), func(_, o plan.Check, _ []plan.Check) bool {
			return strings.HasPrefix(o.ID, "router.") && o.Reason == plan.ReasonSilent || fromOutside(o)
		}},
		{failing("router.wan", "the router is behind another one (double NAT)"), func(_, o plan.Check, _ []plan.Check) bool {
			return o.ID == "router.address" || fromOutside(o)
		}},
		{reason("router.address", plan.ReasonAbsent, "DNS has no address of the mail host"), func(_, o plan.Check, _ []plan.Check) bool {
			return o.Status == plan.Fail && slices.Contains([]string{"host.a", "host.fcrdns", "spf.pass"}, o.ID) || fromOutside(o)
		}},
		{failing("router.address", "the public address is not the one that DNS has (it changed)"), func(_, o plan.Check, _ []plan.Check) bool {
			return o.Status == plan.Fail && slices.Contains([]string{"host.a", "host.ptr", "host.fcrdns", "spf.pass"}, o.ID) || fromOutside(o)
		}},
		{forgetful, func(_, o plan.Check, _ []plan.Check) bool {
			return o.ID == "router.forward" && o.Reason == plan.ReasonLost || fromOutside(o)
		}},
		{notLetIn, func(c, o plan.Check, _ []plan.Check) bool {
			_, port, _ := strings.Cut(c.Subject, "/")
			return o.ID == "port.outside" && strings.HasSuffix(o.Subject, ":"+port) || port == "25" && message(o)
		}},
		{reason("port.inside", plan.ReasonStandIn, "the mail server does not run (only mailpub's stand-in answered)"), unheard},
		{reason("port.inside", plan.ReasonDown, "the mail server is down"), unheard},
		{failing("mx.expected", "the MX records lead mail elsewhere"), func(c, o plan.Check, all []plan.Check) bool {
			return o.ID == "dns.drift" && o.Subject == DNSKey(c.Subject, "MX").Name || o.Reason == plan.ReasonAstray || o.ID == "port.source" && astray(all)
		}},
		{reason("dns.delegation", plan.ReasonElsewhere, "the zone %s that mailpub writes is not the one that the world sees"), unseenZone},
		{reason("dns.zone", plan.ReasonSilent, "no name server of %s answers"), unanswered},
		{reason("dns.zone", plan.ReasonPartly, "a name server of %s does not answer for it"), unanswered},
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
			return strings.Replace(says, "%s", c.Subject, 1)
		}
		return ""
	}
}

// message reports whether a check is of the message that is sent from outside.
func message(c plan.Check) bool { return c.ID == "mail.outside" || c.ID == "port.source" }

// fromOutside reports whether a check needs that the server is reached from outside.
func fromOutside(c plan.Check) bool { return c.ID == "port.outside" || message(c) }

// astray reports whether the message from outside was led elsewhere.
func astray(all []plan.Check) bool {
	return slices.ContainsFunc(all, func(c plan.Check) bool { return c.Reason == plan.ReasonAstray })
}

// forgetful holds for a router that has none of the forwards that mailpub put there.
func forgetful(c plan.Check, all []plan.Check) string {
	if c.ID != "router.forward" || c.Reason != plan.ReasonLost {
		return ""
	}
	for _, o := range all {
		if o.ID == "router.forward" && o.Reason != plan.ReasonLost {
			return ""
		}
	}
	return "the router forgot its forwards (it restarted)"
}

// notLetIn holds for a single forward that is not as it should be.
func notLetIn(c plan.Check, _ []plan.Check) string {
	if c.ID != "router.forward" || c.Status != plan.Fail {
		return ""
	}
	return "the router does not let " + c.Subject + " through to the server"
}

// unheard is what follows where the mail server does not run: its dialogs, its other ports
// unless some of them still listen, and what is reached through these.
func unheard(_, o plan.Check, all []plan.Check) bool {
	area, _, _ := strings.Cut(o.ID, ".")
	switch {
	case o.Reason == plan.ReasonSilent && slices.Contains([]string{"smtp", "relay", "account", "service", "mail"}, area):
		return true
	case o.Reason == plan.ReasonMute:
		return true
	case o.ID == "port.inside":
		return o.Status == plan.Fail && !slices.ContainsFunc(all, func(c plan.Check) bool { return c.ID == o.ID && c.Status == plan.Pass })
	case o.ID == "port.outside":
		name, _, _ := strings.Cut(o.Subject, " at ")
		return !slices.ContainsFunc(all, func(c plan.Check) bool {
			return c.ID == "port.inside" && c.Status == plan.Pass && strings.HasPrefix(c.Subject, name+" at ")
		})
	}
	return message(o)
}

// unanswered is what can't be known, or not for sure, where servers of a zone do not answer.
func unanswered(c, o plan.Check, _ []plan.Check) bool {
	return o.Status != plan.Fail && (o.Reason == plan.ReasonSilent || o.Reason == plan.ReasonPartly) && within(o.Subject, c.Subject)
}

// unseenZone is what is wrong in a zone whose written records nobody sees.
func unseenZone(c, o plan.Check, _ []plan.Check) bool {
	area, _, _ := strings.Cut(o.ID, ".")
	inDNS := slices.Contains([]string{"host", "mx", "spf", "dkim", "dmarc", "sts", "tlsrpt", "dane", "caa", "srv", "autoconfig", "dns"}, area)
	return inDNS && (o.Status == plan.Fail || o.Status == plan.Warn) && within(o.Subject, c.Subject)
}

// within reports whether a word of a subject is a name in a zone.
func within(subject, zone string) bool {
	return slices.ContainsFunc(strings.Fields(subject), func(word string) bool { return Within(FQDN(word), FQDN(zone)) })
}

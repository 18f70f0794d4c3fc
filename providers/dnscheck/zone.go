package dnscheck

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// zones checks that each zone is served, and that its signatures hold.
func (e *checkRun) zones() {
	for _, zone := range e.Zones {
		zone = mail.FQDN(zone)
		servers, err := e.NameServers(e.ctx, zone)
		if err != nil { // a resolver can't tell whom nobody answers for; the parent can
			servers, err = e.referred(zone, err)
		}

		if err != nil {
			e.skip(catalog.DNSZone, subjectOf(zone), err.Error(), hintUnknown)
			e.skip(catalog.DNSSEC, subjectOf(zone), err.Error(), hintUnknown)
			continue
		}

		e.served(zone, servers)
		e.dnssec(zone, servers)
	}
}

// served asks every name server of a zone for its SOA, and compares what they say.
func (e *checkRun) served(zone string, servers []string) {
	c := plan.Check{
		ID:      catalog.DNSZone,
		Subject: subjectOf(zone),
		Status:  plan.Pass,
		Want:    "every name server answers alike",
		Ref:     "RFC 1034 section 4.2.2, RFC 2182",
	}

	serials := map[string][]string{}
	primaries := map[string]bool{}
	var silent, lame, holding, own, noWay []string

	for _, s := range servers {
		if e.isOwn(s) {
			own = append(own, s)
			continue
		}

		a, err := e.Ask(e.ctx, resolver.Source{Addr: s, Authority: true}, zone, "SOA")
		switch {
		case err == nil && a.Authoritative && len(a.Records) == 1:
			serial := strings.Fields(a.Records[0].Data)[2]
			primaries[soaOwner(a)] = true
			serials[serial] = append(serials[serial], s)
			holding = append(holding, s)
		case err != nil && noIPv6(s, err):
			noWay = append(noWay, s)
		case err != nil && !isAnswer(err):
			silent = append(silent, err.Error())
		default:
			lame = append(lame, s)
		}
	}

	differ := e.differ(zone, holding)
	switch {
	case len(lame) > 0:
		c.Status = plan.Fail
		c.Got = strings.Join(lame, ", ") + " answers, but does not hold the zone"
		c.Reason = plan.ReasonPartly
		c.Hint = "let that server serve the zone, or take it out of the zone's NS records and of those at the parent"
	case len(holding) == 0 && len(own) > 0:
		e.inside(&c, own)
	case len(holding) == 0 && e.online(zone):
		c.Status = plan.Fail
		c.Got = "none answers: " + strings.Join(silent, "; ")
		c.Reason = plan.ReasonSilent
		c.Hint = "the domain cannot be resolved until one does: start the name servers, or have the delegation corrected (at the registrar)"
	case len(holding) == 0:
		c.Status = plan.Skip
		c.Got = strings.Join(silent, "; ")
		c.Hint = hintUnknown
		c.Reason = plan.ReasonSilent
	case differ != "":
		c.Status = plan.Fail
		c.Got = differ
		c.Hint = "a resolver that asks the wrong one gets the wrong answer: if a change is still propagating, run verify again soon; otherwise repair the zone transfer"
	case len(silent) > 0:
		c.Status = plan.Warn
		c.Got = "not all answer: " + strings.Join(silent, "; ")
		c.Reason = plan.ReasonPartly
		c.Hint = "start that server, or take it out of the zone's NS records; " + hintUnknown
	case len(serials) > 1 && len(primaries) > 1:
		c.Got = fmt.Sprintf("%d of them, from %d primaries that count their own serials and say the same",
			len(holding), len(primaries))
	case len(serials) > 1:
		var said []string
		for _, serial := range slices.Sorted(maps.Keys(serials)) {
			said = append(said, serial+" at "+strings.Join(serials[serial], ", "))
		}
		c.Status = plan.Warn
		c.Got = "serials differ: " + strings.Join(said, "; ")
		c.Hint = "a change is on its way from one server to the other; where it stays so, the transfer between them fails"
	case len(own) > 0:
		e.inside(&c, own)
	default:
		c.Got = fmt.Sprintf("%d of them, with serial %s", len(servers),
			slices.Collect(maps.Keys(serials))[0])
	}

	if len(noWay) > 0 {
		c.Got += "; " + strings.Join(noWay, ", ") + " was not asked: this network has no IPv6"
	}

	e.add(c)
}

// inside says of a zone that some of its servers can't be judged from inside.
func (e *checkRun) inside(c *plan.Check, own []string) {
	c.Status = plan.Skip
	c.Reason = plan.ReasonUnseen
	c.Got = strings.Join(own, ", ") + " is at this network's own public address: an answer from inside, or none, proves nothing"
	c.Hint = "query it from another network: dig @SERVER " + c.Subject.Name +
		" SOA; or list the zone's servers by their addresses inside in its nameservers"
}

// differ says where servers that hold a zone do not agree on what mail needs of it, or "".
func (e *checkRun) differ(zone string, servers []string) string {
	ask := []record.RRset{{Name: zone, Type: "NS"}}
	for _, d := range e.Domains {
		ask = append(ask, record.RRset{
			Name: mail.FQDN(d.Name),
			Type: "MX",
		}, record.RRset{
			Name: mail.FQDN(d.Name),
			Type: "TXT",
		})
	}

	ask = append(ask, record.RRset{
		Name: e.Host,
		Type: "A",
	}, record.RRset{
		Name: e.Host,
		Type: "AAAA",
	})

	for _, q := range ask {
		if !mail.Within(q.Name, zone) {
			continue
		}

		first, at := "", ""
		for _, s := range servers {
			a, err := e.Ask(e.ctx, resolver.Source{Addr: s, Authority: true}, q.Name, q.Type)
			switch now := answerSummary(a); {
			case err != nil:
			case at == "":
				first, at = now, s
			case now != first:
				return fmt.Sprintf("%s %s is %s at %s, and %s at %s", record.Bare(q.Name),
					q.Type, shortened(first), at, shortened(now), s)
			}
		}
	}

	return ""
}

// online reports whether a resolver says anything about the world above a zone: then it is not
// this machine's own network that is silent.
func (e *checkRun) online(zone string) bool {
	_, parent, _ := strings.Cut(zone, ".")
	_, err := e.Resolve(e.ctx, mail.FQDN(parent), "NS")
	return err == nil || isAnswer(err)
}

// referred returns the servers that the parent names for a zone, at the addresses it gives
// along, or else that the world has. why is the error where that can't be found out either.
func (e *checkRun) referred(zone string, why error) ([]string, error) {
	r, err := e.refers(zone)
	if err != nil {
		return nil, why
	}

	var servers []string
	for _, host := range r.hosts {
		addrs := r.glue[host]
		if len(addrs) == 0 {
			if a, err := e.Resolve(e.ctx, host, "A"); err == nil {
				addrs = a.Data()
			}
		}

		if len(addrs) > 0 {
			servers = append(servers, net.JoinHostPort(addrs[0], e.NSPort))
		}
	}

	if servers == nil {
		return nil, why
	}

	return servers, nil
}

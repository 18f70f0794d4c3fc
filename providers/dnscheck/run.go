package dnscheck

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/miekg/dns"
)

// checkRun is one run of a group of checks.
type checkRun struct {
	Facts
	*resolver.QueryCache
	ctx   context.Context // of the run, which is all the life an examiner has
	found []plan.Check
}

func (e *checkRun) add(c plan.Check) { e.found = append(e.found, c) }

// subjectOf is a name as the subject of a check.
func subjectOf(name string) plan.Subject { return plan.OfName(record.Bare(name)) }

// skip reports that something can't be known.
func (e *checkRun) skip(id string, subject plan.Subject, why, hint string) {
	c := plan.Check{
		ID:      id,
		Subject: subject,
		Status:  plan.Skip,
		Got:     why,
		Hint:    hint,
	}

	if hint == hintUnknown {
		c.Reason = plan.ReasonSilent
	}

	e.add(c)
}

const (
	hintUnknown = "see that the name server is reachable from here, by UDP and TCP port 53, then run verify again"
	hintPublic  = "give server.public in the config, or run verify where the public address can be found out"
)

// verdict is what a rule makes of one answer.
type verdict struct {
	status plan.Status
	got    string
	hint   string
	unused bool // a pass, because there is nothing to check
}

func pass(got string) verdict { return verdict{status: plan.Pass, got: got} }

// unused is a pass of a record that is neither wanted nor published.
func unused(got string) verdict { return verdict{status: plan.Pass, got: got, unused: true} }

func fail(got, hint string) verdict { return verdict{status: plan.Fail, got: got, hint: hint} }

func warn(got, hint string) verdict { return verdict{status: plan.Warn, got: got, hint: hint} }

// answerSummary is an answer in a few words.
func answerSummary(a resolver.Answer) string {
	switch {
	case len(a.Chain) > 0 && a.Status != resolver.Found:
		return "CNAME " + a.Chain[len(a.Chain)-1] + ", " + a.Status.String()
	case a.Status != resolver.Found:
		return a.Status.String()
	}
	return strings.Join(slices.Sorted(slices.Values(a.Data())), ", ")
}

// noIPv6 reports whether a server could not be asked because this network has no IPv6 at all, which
// says nothing of the server.
func noIPv6(server string, err error) bool {
	return strings.HasPrefix(server, "[") && errors.Is(err, syscall.ENETUNREACH)
}

// isOwn reports whether a server is at an address that this network has outside.
func (e *checkRun) isOwn(server string) bool {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		host = server
	}
	a, err := netip.ParseAddr(host)
	return err == nil && slices.Contains(e.Own, a.Unmap())
}

// isAnswer reports whether a server said something, if only that it knows nothing.
func isAnswer(err error) bool {
	var s resolver.ServerError
	return errors.As(err, &s) && (strings.Contains(s.Err.Error(),
		dns.RcodeToString[dns.RcodeRefused]) ||
		strings.Contains(s.Err.Error(), "not authoritative") ||
		strings.Contains(s.Err.Error(), "NOTAUTH"))
}

// neededOf are the RRsets of a zone that mail needs.
func (e *checkRun) neededOf(zone string) (sets []record.RRset) {
	all := []record.RRset{{Name: zone, Type: "SOA"}, {Name: zone, Type: "MX"}}
	for _, d := range e.Domains {
		name := mail.FQDN(d.Name)
		all = append(all, record.RRset{
			Name: name,
			Type: "MX",
		}, record.RRset{
			Name: name,
			Type: "TXT",
		})
	}

	all = append(all, record.RRset{
		Name: e.Host,
		Type: "A",
	}, record.RRset{
		Name: e.Host,
		Type: "AAAA",
	}, record.RRset{
		Name: "_25._tcp." + e.Host,
		Type: "TLSA",
	})

	for _, set := range all {
		if mail.Within(set.Name, zone) && !slices.Contains(sets, set) {
			sets = append(sets, set)
		}
	}

	return sets
}

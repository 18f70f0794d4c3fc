package dnscheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// services checks what mail programs find by themselves.
func (e *checkRun) services() {
	for _, d := range e.Domains {
		for _, s := range d.Services {
			e.service(d, s)
		}
	}
}

// autoconfigs checks the names by which mail programs ask for their settings.
func (e *checkRun) autoconfigs() {
	for _, d := range e.Domains {
		if d.Autoconfig != "" {
			e.autoconfig("autoconfig."+mail.FQDN(d.Name), mail.FQDN(d.Autoconfig))
			e.autoconfig("autodiscover."+mail.FQDN(d.Name), mail.FQDN(d.Autoconfig))
		}
	}
}

// service checks the SRV record of a service (RFC 6186), and that its host has an address.
func (e *checkRun) service(d Domain, s mail.Service) {
	host := mail.FQDN(s.Host)
	name := "_" + s.Name + "._tcp." + mail.FQDN(d.Name)
	r := rule{
		id:      catalog.SRVClients,
		subject: subjectOf(name),
		name:    name,
		rrtype:  "SRV",
		ref:     "RFC 6186 section 3",
		want:    fmt.Sprintf("%s port %d", record.Bare(host), s.Port),
	}

	if host == "." {
		r.want = "no such service"
	}

	r.judge = func(a resolver.Answer) verdict {
		if len(a.Records) == 0 {
			return fail(answerSummary(a), "publish the record; mailpub apply does")
		}

		for _, data := range a.Data() {
			f := strings.Fields(data)
			if f[3] != host || host != "." && f[2] != fmt.Sprint(s.Port) {
				return fail(answerSummary(a),
					"mail programs are sent to another server: correct the record (mailpub apply does)")
			}
		}

		if host == "." {
			return pass("no such service")
		}

		addrs, err := e.Authoritative(e.ctx, host, "A")
		if err == nil && addrs.Status != resolver.Found {
			addrs, err = e.Authoritative(e.ctx, host, "AAAA")
		}

		switch {
		case err != nil:
			return verdict{status: plan.Skip, got: err.Error(), hint: hintUnknown}
		case addrs.Status != resolver.Found:
			return fail(record.Bare(host)+" has no address",
				"give "+record.Bare(host)+" an address record")
		}

		return pass(answerSummary(a))
	}

	e.checkRule(r)
}

// autoconfig checks that a name leads to the host that tells mail programs their settings.
func (e *checkRun) autoconfig(name, host string) {
	e.checkRule(rule{
		id:      catalog.AutoconfigServed,
		subject: subjectOf(name),
		want:    record.Bare(host),
		ref:     "draft-ietf-mailmaint-autoconfig",
		name:    name,
		rrtype:  "A",
		judge: func(a resolver.Answer) verdict {
			if slices.Contains(a.Chain, host) {
				return pass("an alias of " + record.Bare(host))
			}

			ours, err := e.Authoritative(e.ctx, host, "A")
			if err == nil && a.Status == resolver.Found &&
				slices.Equal(slices.Sorted(slices.Values(a.Data())),
					slices.Sorted(slices.Values(ours.Data()))) {
				return pass(answerSummary(a) + ", as " + record.Bare(host))
			}

			return fail(answerSummary(a), "point the name to "+record.Bare(host)+
				"; mailpub apply does")
		},
	})
}

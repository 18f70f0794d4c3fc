package mail

import (
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// policies are the domain's TXT records beside SPF. Each has a name of its own, so that the
// whole RRset is mailpub's.
func (d Domain) policies() (rs []record) {
	if d.DMARC.Policy != "" {
		text := d.DMARC.Text()
		rs = append(rs, record{
			name:   "_dmarc." + d.Name,
			rrtype: "TXT",
			ttl:    d.DMARC.TTL,
			data:   []string{TextData(text)},
			stage:  plan.StageRecord,
			reason: "tells receivers how to handle mail forged in the domain's name (RFC 7489)",
		})
	}

	if len(d.TLSRPT) > 0 {
		text := TLSReports(d.TLSRPT)
		rs = append(rs, record{
			name:   "_smtp._tls." + d.Name,
			rrtype: "TXT",
			data:   []string{TextData(text)},
			stage:  plan.StageRecord,
			reason: "others report when they can't deliver under TLS (RFC 8460)",
		})
	}

	return rs
}

// Text is the record (RFC 7489 section 6.3).
func (d DMARC) Text() string {
	text := "v=DMARC1; p=" + d.Policy
	if len(d.RUA) > 0 {
		text += "; rua=" + reportTargets(d.RUA)
	}
	return text
}

// TLSReports is the record that asks for TLS reports (RFC 8460 section 3).
func TLSReports(rua []string) string { return "v=TLSRPTv1; rua=" + reportTargets(rua) }

// reportTargets writes where reports go, as URIs: an address is a mailto one.
func reportTargets(targets []string) string {
	var uris []string
	for _, t := range targets {
		if !strings.Contains(t, ":") {
			t = "mailto:" + t
		}
		uris = append(uris, t)
	}

	return strings.Join(uris, ",")
}

func (d Domain) services() (rs []record) {
	for _, s := range d.Services {
		rs = append(rs, record{
			name:   "_" + s.Name + "._tcp." + d.Name,
			rrtype: "SRV",
			stage:  plan.StageRecord,
			ttl:    s.TTL,
			data:   []string{fmt.Sprintf("0 1 %d %s", s.Port, FQDN(s.Host))},
			reason: "clients find the server by themselves (RFC 6186)",
		})
	}

	return rs
}

func (s Spec) authorities() []record {
	if len(s.CAA) == 0 {
		return nil
	}

	r := record{
		name:   s.Host,
		rrtype: "CAA",
		stage:  plan.StageRecord,
		reason: "only these may issue certificates for the mail host (RFC 8659)",
	}

	for _, ca := range s.CAA {
		r.data = append(r.data, `0 issue "`+ca+`"`)
	}

	return []record{r}
}

// noMail says of a name that no mail comes from or goes to it.
func noMail(name string) []record {
	return []record{
		{name: name, rrtype: "MX", data: []string{MXData(0, ".")}, stage: plan.StageRecord, reason: "takes no mail (RFC 7505)"},
		{name: name, rrtype: "TXT", tag: spfTag, data: []string{spfData([]string{"-all"})}, stage: plan.StageRecord,
			reason: "sends no mail (RFC 7208)"},
	}
}

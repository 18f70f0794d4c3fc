package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// Policy returns the text to be served, line by line; nil where the domain has none.
func (d Domain) Policy() []string {
	if d.MTASTS.Mode == "" {
		return nil
	}

	lines := []string{"version: STSv1", "mode: " + d.MTASTS.Mode}
	seen := map[string]bool{}
	for _, host := range append(d.exchangers(), d.MTASTS.MX...) {
		if host = strings.ToLower(strings.TrimSuffix(host, ".")); !seen[host] {
			lines = append(lines, "mx: "+host)
		}
		seen[host] = true
	}

	return append(lines, fmt.Sprintf("max_age: %d", int(d.MTASTS.MaxAge/time.Second)))
}

func (d Domain) exchangers() (hosts []string) {
	for _, m := range d.MX {
		hosts = append(hosts, m.Host)
	}
	return hosts
}

// PolicyID is the id of the record: it changes exactly when the policy does (RFC 8461
// section 3.1: up to 32 letters and digits).
func PolicyID(policy []string) string {
	sum := sha256.Sum256([]byte(strings.Join(policy, "\n")))
	return hex.EncodeToString(sum[:])[:16]
}

// transportPolicy is the domain's MTA-STS record, and the name that its policy is served under.
func (d Domain) transportPolicy() (rs []record) {
	policy := d.Policy()
	if policy == nil {
		return nil
	}

	if h := d.MTASTS.Host; h != "" {
		rs = append(rs, record{
			name:   "mta-sts." + d.Name,
			rrtype: "CNAME",
			data:   []string{FQDN(h)},
			stage:  plan.StageRecord,
			ttl:    d.MTASTS.TTL,
			reason: "senders fetch the policy for delivery under TLS from here (RFC 8461 section 3.3)",
		})
	}

	return append(rs, record{
		name:   "_mta-sts." + d.Name,
		rrtype: "TXT",
		stage:  plan.StageRecord,
		ttl:    d.MTASTS.TTL,
		data:   []string{TextData("v=STSv1; id=" + PolicyID(policy))},
		reason: "tells senders that there is a policy for delivery under TLS, and when it changed (RFC 8461)",
	})
}

// PolicyKey is the key of the MTA-STS policy of a domain.
func PolicyKey(domain string) plan.Key {
	return plan.Key{Kind: "policy", Name: "mta-sts." + strings.TrimSuffix(FQDN(domain), ".")}
}

// policyItems are the policies as a web server has to serve them.
func (s Spec) policyItems() (items []plan.Item) {
	for _, d := range s.Domains {
		policy := d.Policy()
		if policy == nil {
			continue
		}

		name := strings.TrimSuffix(d.Name, ".")
		items = append(items, plan.Item{
			Key:    PolicyKey(d.Name),
			Lines:  policy,
			Stage:  plan.StageRecord,
			Reason: "senders deliver under TLS to these hosts only (RFC 8461)",
			ByHand: fmt.Sprintf("serve this text at https://mta-sts.%s/.well-known/mta-sts.txt; mailpub request policy %s prints it",
				name, name),
		})
	}

	return items
}

// autoconfig are the names by which mail programs find the settings of the domain: those of
// Thunderbird and of Outlook.
func (d Domain) autoconfig() (rs []record) {
	if d.Autoconfig == "" {
		return nil
	}

	host := FQDN(d.Autoconfig)
	for _, name := range []string{"autoconfig.", "autodiscover."} {
		rs = append(rs, record{
			name:   name + d.Name,
			rrtype: "CNAME",
			data:   []string{host},
			stage:  plan.StageRecord,
			reason: "mail programs ask here for the domain's settings",
		})
	}

	return append(rs, record{
		name:   "_autodiscover._tcp." + d.Name,
		rrtype: "SRV",
		data:   []string{"0 1 443 " + host},
		stage:  plan.StageRecord,
		reason: "Outlook asks there for the domain's settings",
	})
}

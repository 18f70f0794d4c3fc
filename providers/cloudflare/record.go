package cloudflare

import (
	"fmt"
	"strings"

	"github.com/libdns/libdns"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
)

// proxied marks an address that Cloudflare answers with its own instead: mail does not
// get through to it.
const proxied = "proxied"

// cloudflareRecord is a record as the API lists it.
type cloudflareRecord struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Name     string `json:"name"`
	Content  string `json:"content"`
	Priority *int   `json:"priority"`
	Proxied  bool   `json:"proxied"`
	TTL      int    `json:"ttl"` // 1 stands for automatic, which proxied records always are
	Data     struct {
		Priority, Weight, Port int
		Target                 string
	} `json:"data"`
}

// RR implements libdns.Record. The API leaves out the final dot of names; text comes
// quoted or bare, the priority of MX and SRV apart from the content.
func (c cloudflareRecord) RR() libdns.RR {
	data := c.Content
	switch c.Type {
	case "CNAME", "NS", "PTR":
		data = mail.FQDN(data)
	case "MX":
		priority := 0
		if c.Priority != nil {
			priority = *c.Priority
		}
		data = fmt.Sprintf("%d %s", priority, mail.FQDN(data))
	case "SRV":
		data = fmt.Sprintf("%d %d %d %s", c.Data.Priority, c.Data.Weight, c.Data.Port,
			mail.FQDN(c.Data.Target))
	case "TXT":
		data = record.AnyText(data)
	}

	return libdns.RR{
		Name: mail.FQDN(c.Name),
		Type: c.Type,
		TTL:  record.Seconds(c.TTL),
		Data: data,
	}
}

// Note says what else there is to a record.
func (c cloudflareRecord) Note() string {
	if c.Proxied {
		return proxied
	}
	return ""
}

// cloudflareBody returns the request that creates a record or turns another into it. The
// types whose fields the API wants apart are sent so; it answers 400 to some of them
// otherwise, whatever its manual says.
func cloudflareBody(rec libdns.Record, zone string) (map[string]any, error) {
	rr := rec.RR()
	body := map[string]any{
		"type": rr.Type,
		"name": strings.TrimSuffix(libdns.AbsoluteName(rr.Name, zone), "."),
		"ttl":  int(rr.TTL.Seconds()),
	}

	switch r := rec.(type) {
	case libdns.Address:
		body["content"], body["proxied"] = rr.Data, r.ProviderData == proxied
	case libdns.CNAME:
		body["content"], body["proxied"] = record.Undotted(r.Target), false
	case libdns.NS:
		body["content"] = record.Undotted(r.Target)
	case libdns.MX:
		body["content"], body["priority"] = record.Undotted(r.Target), r.Preference
	case libdns.TXT:
		body["content"] = record.Quoted(r.Text)
	case libdns.SRV:
		body["data"] = map[string]any{"priority": r.Priority, "weight": r.Weight,
			"port": r.Port, "target": record.Undotted(r.Target)}
	case libdns.CAA:
		body["data"] = map[string]any{"flags": r.Flags, "tag": r.Tag, "value": r.Value}
	default:
		return rawBody(body, rr)
	}

	return body, nil
}

func rawBody(body map[string]any, rr libdns.RR) (map[string]any, error) {
	switch rr.Type {
	case "PTR":
		body["content"] = record.Undotted(rr.Data)
	case "TLSA":
		var usage, selector, matching int
		var certificate string
		if _, err := fmt.Sscan(rr.Data, &usage, &selector, &matching,
			&certificate); err != nil {
			return nil, fmt.Errorf("%q is no data of a TLSA record", rr.Data)
		}

		body["data"] = map[string]any{"usage": usage, "selector": selector,
			"matching_type": matching, "certificate": certificate}
	default:
		return nil, fmt.Errorf("cloudflare: records of type %q are not written", rr.Type)
	}

	return body, nil
}

package providertest

import (
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// kind is one thing that is published for mail.
type kind struct {
	name string
	plan.Item
}

// target is a host with an address, since some name servers take no MX that leads nowhere.
func target(zone string) string { return "target.suite." + zone }

// putTarget gives the target its address.
func (h *Harness) putTarget(t *testing.T) {
	h.Put(t, Set{mail.DNSKey(target(h.Zone), "A"), h.lines("192.0.2.25")})
}

// kinds are all of them, each at names of its own or in an RRset of its own.
func (h *Harness) kinds() []kind {
	z := h.Zone
	target := target(h.Zone)
	set := func(name, rrtype string, values ...string) plan.Item {
		return plan.Item{Key: mail.DNSKey(name, rrtype), Lines: h.lines(values...)}
	}

	text := func(name, text string) plan.Item {
		return set(name, "TXT", mail.TextData(text))
	}

	key := strings.Repeat("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", 13)[:392]
	all := []kind{
		{"address", set("mail."+z, "A", "2.2.2.2")},
		{"IPv6 address", set("mail."+z, "AAAA", "2001:db8::25")},
		{"several addresses", set("pool."+z, "A", "192.0.2.1", "192.0.2.2", "192.0.2.3")},
		{"MX and backup MX at the apex", set(z, "MX", "10 "+target, "20 backup.example.net.")},
		{"MX of preference 0", set("zero."+z, "MX", "0 "+target)},
		{"null MX", set("nomail."+z, "MX", "0 .")},
		{"SPF at the apex", plan.Item{Key: mail.TaggedTXT(z, "v=spf1"), Lines: []string{mail.TextData("v=spf1 mx ip4:2.2.2.2 include:_spf.example.net -all")}}},
		{"SPF of a host", text("mail."+z, "v=spf1 a -all")},
		{"DKIM with RSA-2048", text("s1._domainkey."+z, "v=DKIM1; k=rsa; p="+key)},
		{"DKIM with Ed25519", text("s2._domainkey."+z, "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")},
		{"DMARC", text("_dmarc."+z, "v=DMARC1; p=reject; rua=mailto:dmarc@"+strings.TrimSuffix(z, ".")+"; fo=1:d:s")},
		{"MTA-STS", text("_mta-sts."+z, "v=STSv1; id=20261124T010203")},
		{"TLS-RPT", text("_smtp._tls."+z, "v=TLSRPTv1; rua=mailto:tls@example.net")},
		{"CAA, several", set(z, "CAA", `0 issue "letsencrypt.org"`, `0 issuewild ";"`, `128 iodef "mailto:ca@example.net"`)},
		{"SRV", set("_submission._tcp."+z, "SRV", "0 1 587 "+target)},
		{"SRV, two and none", set("_imaps._tcp."+z, "SRV", "0 1 993 "+target, "10 0 993 backup.example.net.")},
		{"SRV that says no", set("_pop3._tcp."+z, "SRV", "0 0 0 .")},
		{"TLSA, two for a rollover", set("_25._tcp.mail."+z, "TLSA", "3 1 1 "+strings.Repeat("a1", 32), "3 1 1 "+strings.Repeat("0f", 32))},
		{"alias", set("autoconfig."+z, "CNAME", target)},
		{"alias that leads out", set("autodiscover."+z, "CNAME", "mail.example.net.")},
		{"PTR", set("2.2."+z, "PTR", target)},
		{"wildcard address", set("*.wild."+z, "A", "192.0.2.9")},
		{"wildcard MX", set("*.wild."+z, "MX", "10 "+target)},
		{"text of 255 octets", text("t255."+z, strings.Repeat("x", 254)+"y")},
		{"text of 256 octets", text("t256."+z, strings.Repeat("x", 255)+"y")},
		{"text of 700 octets", text("t700."+z, strings.Repeat("seven hundred ", 50))},
		{"several texts", set("texts."+z, "TXT", `"first"`, `"second; third"`)},
		{"semicolons", text("semi."+z, "a; b;c ;; d")},
		{"quotes", text("quote."+z, `say "hi" and "bye"`)},
		{"backslashes", text("back."+z, `C:\mail\new \010 \" \\`)},
		{"quotes about a cut", text("cut."+z, strings.Repeat("x", 254)+`"\"`+strings.Repeat("y", 20))},
		{"UTF-8", text("utf8."+z, "caffè da Müller, 株式会社")},
		{"UTF-8 about a cut", text("utf8cut."+z, strings.Repeat("x", 254)+"èè")},
		{"spaces", text("spaces."+z, "  two  before, one after ")},
		{"capitals in text", text("capitals."+z, "MixedCase=Yes")},
	}

	return slices.DeleteFunc(all, func(k kind) bool {
		_, rrtype, _, _ := mail.SplitDNSKey(k.Key)
		return slices.Contains(h.Without, rrtype) || h.refused(k.Item)
	})
}

// refused reports whether the harness says that the provider does not take the item.
func (h *Harness) refused(it plan.Item) bool {
	_, rrtype, _, _ := mail.SplitDNSKey(it.Key)
	return slices.ContainsFunc(it.Lines, func(l string) bool {
		data, _ := mail.SplitRecordLine(l)
		if rrtype != "TXT" {
			return h.RefusedData != nil && h.RefusedData(rrtype, data)
		}
		text, err := mail.Text(data)
		return err == nil && h.Refused != nil && h.Refused(text)
	})
}

package dnscheck

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// caaNames are the names that certificate authorities go by in CAA records, by a word in the
// organization of their issuing certificates. From the authorities' own statements.
func caaNames() map[string]string {
	return map[string]string{
		"Let's Encrypt": "letsencrypt.org",
		"ZeroSSL":       "sectigo.com",
		"Sectigo":       "sectigo.com",
		"COMODO":        "sectigo.com",
		"DigiCert":      "digicert.com",
		"GeoTrust":      "digicert.com",
		"Thawte":        "digicert.com",
		"Google Trust":  "pki.goog",
		"GlobalSign":    "globalsign.com",
		"Buypass":       "buypass.com",
		"Actalis":       "actalis.it",
		"Entrust":       "entrust.net",
		"SSL Corp":      "ssl.com",
		"Amazon":        "amazon.com",
		"GoDaddy":       "godaddy.com",
		"Certum":        "certum.pl",
		"Asseco":        "certum.pl",
	}
}

// caa checks that the authority whose certificate is in use may issue the next one.
func (e *checkRun) caa() {
	c := plan.Check{ID: catalog.CAAPermits, Subject: record.Bare(e.Host), Want: "the authority in use may issue", Status: plan.Pass, Ref: "RFC 8659 section 3"}
	at, records, err := e.relevantCAA(e.Host)
	switch {
	case err != nil:
		e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
		return
	case records == nil:
		c.Got = "no CAA: any may"
		e.add(c)
		return
	case e.Served == nil:
		e.skip(c.ID, c.Subject, "the mail server was not asked for its certificate", "run verify where the mail server answers")
		return
	}
	shown, err := e.Served(e.ctx, 25)
	if err != nil {
		e.unseen(c, err)
		return
	}
	who := issuerName(shown)
	if who == "" {
		e.skip(c.ID, c.Subject, fmt.Sprintf("the certificate in use is of no authority that is known here (%s)", issuedBy(shown)),
			"see that the CAA records of "+record.Bare(at)+" name the authority that you use")
		return
	}
	c.Got = strings.Join(records, ", ")
	if !permits(records, who) {
		c.Status, c.Hint = plan.Fail, fmt.Sprintf("the next certificate of %s will be refused: add it to server.caa, or to the CAA records of %s", who, record.Bare(at))
	}
	e.add(c)
}

// unseen reports that the mail server's certificate can't be had.
func (e *checkRun) unseen(c plan.Check, err error) {
	c.Status, c.Got, c.Reason = plan.Skip, "the certificate in use is not known: "+err.Error(), plan.ReasonMute
	c.Hint = "let the mail server answer and offer STARTTLS, then run verify again"
	e.add(c)
}

// relevantCAA returns the records that count for a name: its own, or those of the nearest name
// above that has any (RFC 8659 section 3). Top-level domains, which have none, are not asked.
func (e *checkRun) relevantCAA(name string) (at string, records []string, err error) {
	for at = name; strings.Count(at, ".") > 1; _, at, _ = strings.Cut(at, ".") {
		a, err := e.Authoritative(e.ctx, at, "CAA")
		if err != nil {
			return "", nil, err
		}
		if a.Status == resolver.Found {
			return at, a.Data(), nil
		}
	}
	return "", nil, nil
}

// permits reports whether CAA records let an authority issue. Records without any "issue" tag
// restrict nothing (RFC 8659 section 4.2).
func permits(records []string, who string) bool {
	restricted := false
	for _, data := range records {
		rr, err := dns.NewRR(". CAA " + data)
		if err != nil {
			continue
		}
		r := rr.(*dns.CAA)
		if !strings.EqualFold(r.Tag, "issue") {
			continue
		}
		restricted = true
		name, _, _ := strings.Cut(r.Value, ";")
		if strings.EqualFold(strings.TrimSpace(name), who) {
			return true
		}
	}
	return !restricted
}

func issuedBy(shown []*x509.Certificate) string {
	if len(shown) == 0 {
		return "none"
	}
	return shown[0].Issuer.String()
}

// issuerName returns the name of the authority in CAA records, or "".
func issuerName(shown []*x509.Certificate) string {
	if len(shown) == 0 {
		return ""
	}
	for word, name := range caaNames() {
		named := func(o string) bool { return strings.Contains(strings.ToLower(o), strings.ToLower(word)) }
		if slices.ContainsFunc(shown[0].Issuer.Organization, named) {
			return name
		}
	}
	return ""
}

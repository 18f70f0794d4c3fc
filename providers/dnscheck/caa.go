package dnscheck

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
)

// certificateAuthority is who issues certificates.
type certificateAuthority struct {
	word  string   // in the organization of its issuing certificates
	names []string // that it goes by in CAA records
	// complete says that names are all of them, by the authority's own statement. Where it is
	// not, records that have none of them are doubtful, and no more.
	complete bool
}

// certificateAuthorities are those that are known. DigiCert's and Sectigo's names are those of their pages on
// CAA records, Amazon's of the documentation of its certificate manager, Let's Encrypt's of its
// documentation.
func certificateAuthorities() []certificateAuthority {
	digicert := []string{"digicert.com", "geotrust.com", "rapidssl.com", "thawte.com"}
	sectigo := []string{"sectigo.com", "comodo.com", "comodoca.com", "usertrust.com",
		"trust-provider.com"}

	return []certificateAuthority{
		{"Let's Encrypt", []string{"letsencrypt.org"}, true},
		{"ZeroSSL", sectigo, true},
		{"Sectigo", sectigo, true},
		{"COMODO", sectigo, true},
		{"DigiCert", digicert, true},
		{"GeoTrust", digicert, true},
		{"Thawte", digicert, true},
		{"Amazon", []string{"amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"}, true},
		{"Google Trust", []string{"pki.goog"}, false},
		{"GlobalSign", []string{"globalsign.com"}, false},
		{"Buypass", []string{"buypass.com"}, false},
		{"Actalis", []string{"actalis.it"}, false},
		{"Entrust", []string{"entrust.net"}, false},
		{"SSL Corp", []string{"ssl.com"}, false},
		{"GoDaddy", []string{"godaddy.com"}, false},
		{"Certum", []string{"certum.pl"}, false},
		{"Asseco", []string{"certum.pl"}, false},
	}
}

// caa checks that the authority whose certificate is in use may issue the next one.
func (e *checkRun) caa() {
	c := plan.Check{
		ID:      catalog.CAAPermits,
		Subject: subjectOf(e.Host),
		Want:    "the authority in use may issue",
		Status:  plan.Pass,
		Ref:     "RFC 8659 section 3",
	}

	at, records, err := e.relevantCAA(e.Host)
	switch {
	case err != nil && refusedToSay(err) && e.answersOther():
		c.Status = plan.Fail
		c.Got = err.Error()
		c.Hint = "let the name server answer questions for CAA: an authority that gets such an answer issues nothing, and the next renewal fails (RFC 8659 section 3)"
		e.add(c)
		return
	case err != nil:
		e.skip(c.ID, c.Subject, err.Error(), hintUnknown)
		return
	case records == nil:
		c.Got = "no CAA: any may"
		c.Unused = true
		e.add(c)
		return
	case e.Served == nil:
		e.skip(c.ID, c.Subject, "the mail server was not asked for its certificate",
			"run verify where the mail server answers")
		return
	}

	shown, err := e.Served(e.ctx, 25)
	if err != nil {
		e.skipCertificate(c, err)
		return
	}

	if len(shown) == 0 {
		e.skip(c.ID, c.Subject, "the mail server shows no certificate: it offers no STARTTLS",
			"see that the CAA records of "+record.Bare(at)+" name the authority that you use")
		return
	}

	who, known := issuer(shown[0])
	if !known {
		e.skip(c.ID, c.Subject, fmt.Sprintf("the certificate in use is of no authority that is known here (%s)",
			shown[0].Issuer),
			"see that the CAA records of "+record.Bare(at)+" name the authority that you use")
		return
	}

	c.Got = strings.Join(records, ", ")
	switch names := strings.Join(who.names, ", "); {
	case permits(records, who.names):
	case who.complete:
		c.Status = plan.Fail
		c.Hint = fmt.Sprintf("the next certificate of %s will be refused: add it to server.caa, or to the CAA records of %s",
			names, record.Bare(at))
	default:
		c.Status = plan.Warn
		c.Hint = fmt.Sprintf("%s is known here by %s alone, which is not among them: see its statement on CAA records, and add a name of it to server.caa, or to the CAA records of %s",
			who.word, names, record.Bare(at))
	}

	e.add(c)
}

// skipCertificate reports that the mail server's certificate can't be had.
func (e *checkRun) skipCertificate(c plan.Check, err error) {
	c.Status = plan.Skip
	c.Got = "the certificate in use is not known: " + err.Error()
	c.Reason = plan.ReasonMute
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

// refusedToSay reports whether a name server answered that it can't or won't say.
func refusedToSay(err error) bool {
	server := resolver.ServerError{}
	return errors.As(err, &server) && slices.Contains([]string{"SERVFAIL", "NOTIMP",
		"REFUSED"}, server.Err.Error())
}

// answersOther reports whether the mail host's name servers answer questions for its address.
func (e *checkRun) answersOther() bool {
	_, err := e.Authoritative(e.ctx, e.Host, "A")
	return err == nil
}

// permits reports whether CAA records let an authority issue that goes by these names. Records
// without any "issue" tag restrict nothing (RFC 8659 section 4.2).
func permits(records, names []string) bool {
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
		if slices.ContainsFunc(names, func(n string) bool {
			return strings.EqualFold(strings.TrimSpace(name), n)
		}) {
			return true
		}
	}

	return !restricted
}

// issuer returns the authority that issued a certificate.
func issuer(shown *x509.Certificate) (certificateAuthority, bool) {
	for _, a := range certificateAuthorities() {
		named := func(o string) bool {
			return strings.Contains(strings.ToLower(o), strings.ToLower(a.word))
		}
		if slices.ContainsFunc(shown.Issuer.Organization, named) {
			return a, true
		}
	}

	return certificateAuthority{}, false
}

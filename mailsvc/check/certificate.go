package check

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// expiresSoon is when a certificate should have been renewed: authorities that work by ACME
// advise a third of 90 days, and this is what is left when that has failed for a while.
const expiresSoon = 14 * 24 * time.Hour

// certificate judges the certificate that the server shows on port 25. Senders without a policy
// to the contrary deliver whatever it is (RFC 7435), hence the warnings.
func (f Facts) certificate(ctx context.Context) []plan.Check {
	c := plan.Check{
		ID:      catalog.SMTPCertificate,
		Subject: plan.OfAddr(f.Addr),
		Want:    "for " + f.Hostname + ", trusted, valid now",
		Ref:     "RFC 6125 section 6, RFC 8461 section 4.2",
	}

	d, err := smtpclient.Hello(ctx, f.Dial, f.Addr)
	if err != nil {
		return singleCheck(f.unreachable(c, err))
	}

	defer d.Close()

	state, err := d.StartTLS(ctx, f.Hostname)
	shown := state.PeerCertificates
	switch {
	case err != nil && ctx.Err() != nil:
		return singleCheck(f.unreachable(c, err))
	case errors.Is(err, smtpclient.ErrNoTLS):
		c.Status = plan.Skip
		c.Got = err.Error()
		c.Hint = "give the server a certificate (the bundled receiver: service.tls)"
		return singleCheck(c)
	case err != nil: // it is offered, and does not come about
		c.Status = plan.Fail
		c.Got = smtpclient.ErrorText(err)
		c.Hint = "STARTTLS is offered and fails, so that many senders do not deliver: see that the server can read its certificate and key, and that the two belong together; its log says which"
		return singleCheck(c)
	case len(shown) == 0:
		c.Status = plan.Fail
		c.Got = "the server shows none"
		c.Hint = "give the server a certificate that names " + f.Hostname
		return singleCheck(c)
	}

	return singleCheck(f.judgeCertificate(c, shown))
}

func (f Facts) judgeCertificate(c plan.Check, shown []*x509.Certificate) plan.Check {
	leaf := shown[0]
	now := f.Now()
	until := leaf.NotAfter.UTC().Format(time.DateOnly)
	c.Got = fmt.Sprintf("for %v, by %s, until %s", leaf.DNSNames, leaf.Issuer, until)

	if leaf.DNSNames == nil {
		c.Got = fmt.Sprintf("for no host (%s), by %s, until %s", leaf.Subject, leaf.Issuer,
			until)
	}

	weak := plan.Warn
	kept := ""
	if f.Strict != "" {
		weak = plan.Fail
		kept = ": senders that heed your " + f.Strict + " keep mail back"
	}

	others := x509.NewCertPool()
	for _, issuer := range shown[1:] {
		others.AddCert(issuer)
	}

	_, untrusted := leaf.Verify(x509.VerifyOptions{
		Roots:         f.Roots,
		Intermediates: others,
		CurrentTime:   now,
	})

	switch name := leaf.VerifyHostname(f.Hostname); {
	case now.After(leaf.NotAfter):
		c.Status = plan.Fail
		c.Hint = "it has expired: renew it, and see why that did not happen by itself"
	case now.Before(leaf.NotBefore):
		c.Status = plan.Fail
		c.Hint = "it is not valid before " + leaf.NotBefore.UTC().Format(time.RFC3339) +
			": see the clocks of the server and of this machine"
	case name != nil:
		c.Status = weak
		c.Hint = "it is of another name" + kept + "; get one that names " + f.Hostname
	case untrusted != nil && len(shown) == 1 && !bytes.Equal(leaf.RawSubject, leaf.RawIssuer):
		c.Status = weak
		c.Hint = "its issuer is not known here" + kept +
			"; where that is a public authority, let the server send the whole chain (fullchain.pem)"
	case untrusted != nil:
		c.Status = weak
		c.Hint = "no authority vouches for it (" + untrusted.Error() + ")" + kept +
			"; get one from a public authority, such as by service.tls: acme"
	case leaf.NotAfter.Sub(now) < expiresSoon:
		c.Status = plan.Warn
		c.Hint = "it should have been renewed by now: check its automatic renewal"
	default:
		c.Status = plan.Pass
	}

	// Without a policy nobody keeps mail back for a name or an issuer: good to know, no drift.
	c.Advice = c.Status == plan.Warn && f.Strict == "" && leaf.NotAfter.Sub(now) >= expiresSoon
	return c
}

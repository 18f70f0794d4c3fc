// Package sender tells who a message is really from: by SPF, DKIM and DMARC, as a header for
// whoever reads it (RFC 8601). It decides nothing: mail that fails is delivered with that said.
//
// It knows messages and signatures. What DNS says is asked through functions that are handed
// to it.
package sender

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/mail"
	"net/netip"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/authres"
	"github.com/emersion/go-msgauth/dkim"
)

// checkTimeout bounds all look-ups for one message.
const checkTimeout = 10 * time.Second

// maxSignatures is how many DKIM signatures of a message are looked at; each may cost a look-up.
const maxSignatures = 8

// maxHeader bounds the header of a message that is looked at, in octets.
const maxHeader = 1 << 20

// Checker checks senders. Safe for concurrent use.
type Checker struct {
	Host string // that the results are given by

	// SPF evaluates a sender, by HELO where the sender is empty. The result is one of RFC
	// 7208 section 2.6.
	SPF func(ctx context.Context, addr netip.Addr, helo, sender string) (string, error)
	// Texts returns the TXT records at a name. An error is a *net.DNSError.
	Texts func(ctx context.Context, name string) ([]string, error)
}

// Envelope is what a message came in.
type Envelope struct {
	Remote netip.Addr // of the client
	Helo   string
	From   string // envelope sender; "" is the null sender
}

// Results returns the Authentication-Results header of a message, folded, with its line end.
// The message is read to its end. What can't be found out in time is "temperror".
func (c *Checker) Results(ctx context.Context, e Envelope, message io.ReadSeeker) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()

	spf := c.spf(ctx, e)
	signatures, err := c.dkim(ctx, message)
	if err != nil {
		return "", err
	}
	if _, err := message.Seek(0, io.SeekStart); err != nil {
		return "", err
	}

	results := []authres.Result{spf.result}
	for _, s := range signatures {
		results = append(results, s.result)
	}

	from, ok := author(message)
	results = append(results, c.dmarc(ctx, from, ok, spf, signatures))
	return fold("Authentication-Results: " + authres.Format(c.Host, results)), nil
}

// identity is a domain that was found to stand for a message, or not to.
type identity struct {
	domain string // "" where it does not
	result authres.Result
}

func (c *Checker) spf(ctx context.Context, e Envelope) identity {
	got, why := c.SPF(ctx, e.Remote, e.Helo, e.From)
	r := &authres.SPFResult{Value: authres.ResultValue(got), From: headerText(domainOf(e.From))}
	id := identity{result: r}

	if e.From == "" {
		r.From, r.Helo = "", headerText(e.Helo)
	}

	if got == "pass" {
		id.domain = domainOf(e.From)
		if e.From == "" {
			id.domain = strings.ToLower(e.Helo)
		}
	} else if why != nil {
		r.Reason = reason(got, why)
	}

	return id
}

// noAnswer is why a result is for the moment. What went wrong with which name server is nobody's business but
// the administrator's.
const noAnswer = "DNS did not answer"

// reason is why an evaluation did not pass, for whoever reads the message.
func reason(result string, why error) string {
	if result == string(authres.ResultTempError) {
		return noAnswer
	}
	return headerText(why.Error())
}

// dkim verifies the signatures of a message, and reads it to its end.
func (c *Checker) dkim(ctx context.Context, message io.Reader) (ids []identity, err error) {
	found, err := dkim.VerifyWithOptions(message, &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) {
			return c.Texts(ctx, name)
		},
		MaxVerifications: maxSignatures,
	})

	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		// A message that is none: without a header there is no signature.
		return []identity{{result: &authres.DKIMResult{Value: authres.ResultNone}}}, drain(message)
	}

	for _, v := range found {
		r := &authres.DKIMResult{Value: authres.ResultPass, Domain: headerText(v.Domain)}
		id := identity{domain: strings.ToLower(v.Domain), result: r}
		if v.Err != nil {
			id.domain = ""
			r.Reason = headerText(strings.TrimPrefix(v.Err.Error(), "dkim: "))
			switch {
			case dkim.IsTempFail(v.Err):
				r.Value = authres.ResultTempError
				r.Reason = noAnswer
			case dkim.IsPermFail(v.Err):
				r.Value = authres.ResultPermError
			default:
				r.Value = authres.ResultFail
			}
		}

		ids = append(ids, id)
	}

	if ids == nil {
		ids = []identity{{result: &authres.DKIMResult{Value: authres.ResultNone}}}
	}

	return ids, drain(message)
}

// Summary returns the results that a header of Results has: of several signatures that of the best.
func Summary(header string) (spf, dkim, dmarc string) {
	_, value, _ := strings.Cut(header, ":")
	_, results, err := authres.Parse(strings.Join(strings.Fields(value), " "))
	if err != nil {
		return "", "", ""
	}

	for _, r := range results {
		switch r := r.(type) {
		case *authres.SPFResult:
			spf = string(r.Value)
		case *authres.DKIMResult:
			if dkim == "" || r.Value == authres.ResultPass {
				dkim = string(r.Value)
			}
		case *authres.DMARCResult:
			dmarc = string(r.Value)
		}
	}

	return spf, dkim, dmarc
}

func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// author returns the domain of a message's From. ok is false where there is not exactly one
// (RFC 7489 section 6.6.1).
func author(message io.Reader) (domain string, ok bool) {
	header, err := textproto.NewReader(bufio.NewReader(io.LimitReader(message,
		maxHeader))).ReadMIMEHeader()

	if err != nil && !errors.Is(err, io.EOF) || len(header.Values("From")) != 1 {
		return "", false
	}

	list, err := mail.ParseAddressList(header.Get("From"))
	if err != nil || len(list) == 0 {
		return "", false
	}

	for _, a := range list {
		d := domainOf(a.Address)
		if domain != "" && d != domain {
			return "", false
		}
		domain = d
	}

	return domain, domain != ""
}

func domainOf(address string) string {
	i := strings.LastIndex(address, "@")
	if i < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(address[i+1:], "."))
}

// headerText makes a text fit for the header: whoever reads it must not take part of it for something
// else.
func headerText(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}

	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`";()\=`, r) {
			return '?'
		}
		return r
	}, s)
}

// fold breaks a header field at its results, and ends it (RFC 5322 section 2.2.3).
func fold(field string) string { return strings.ReplaceAll(field, "; ", ";\r\n\t") + "\r\n" }

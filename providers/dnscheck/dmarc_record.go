package dnscheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
)

// dmarcRecord is a DMARC record as receivers read it (RFC 7489 section 6.3, RFC 9989 section 4.7):
// values of policies and modes in any case, tags that are unknown, removed or unreadable passed
// over, but none twice (RFC 6376 section 3.2).
type dmarcRecord struct {
	policy     string // "none", "quarantine", "reject"; "" where there is none that is valid
	subdomains string // of sp, "" where it is not given
	rua, ruf   []string
	testing    bool     // t=y: receivers are asked not to act on it
	percent    string   // of pct, which receivers of RFC 7489 heed
	ignored    []string // tags that receivers pass over, and why
	problem    string   // why the record is none at all; the rest then says nothing
}

func readDMARC(text string) (r dmarcRecord) {
	tags, ok := mail.Tags(text)
	if !ok {
		r.problem = "it is no list of tags, or has a tag twice"
		return r
	}

	if len(tags) == 0 || tags[0] != (mail.Tag{Name: "v", Value: "DMARC1"}) {
		r.problem = "it does not begin with v=DMARC1"
		return r
	}

	policyGiven := ""
	for _, t := range tags[1:] {
		value := strings.ToLower(t.Value)
		switch strings.ToLower(t.Name) {
		case "p":
			policyGiven = t.Value
			r.policy = policyWord(value)
		case "sp":
			r.subdomains = policyWord(value)
			r.pass(t, r.subdomains != "")
		case "np":
			r.pass(t, policyWord(value) != "")
		case "adkim", "aspf":
			r.pass(t, value == "r" || value == "s")
		case "fo":
			r.pass(t, failureOptions(value))
		case "t":
			r.testing = value == "y"
		case "pct":
			r.percent = value
			r.pass(t, percentage(value))
		case "rua":
			r.rua = uriList(t.Value)
		case "ruf":
			r.ruf = uriList(t.Value)
		}
	}

	if r.policy == "" {
		said := "p is missing"
		if policyGiven != "" {
			said = fmt.Sprintf("p=%s is no policy", shortened(policyGiven))
		}

		if !slices.ContainsFunc(r.rua, isMailto) {
			r.problem = said + ", and there is no rua to make it p=none"
			return r
		}

		r.ignored = append(r.ignored, said+", which receivers take for p=none")
	}

	return r
}

func (r *dmarcRecord) pass(t mail.Tag, valid bool) {
	if !valid {
		r.ignored = append(r.ignored, fmt.Sprintf("%s=%s", t.Name, shortened(t.Value)))
	}
}

func policyWord(value string) string {
	if value == "none" || value == "quarantine" || value == "reject" {
		return value
	}
	return ""
}

func failureOptions(value string) bool {
	for o := range strings.SplitSeq(value, ":") {
		if o = strings.TrimSpace(o); o != "0" && o != "1" && o != "d" && o != "s" {
			return false
		}
	}
	return true
}

func percentage(value string) bool {
	return value == "100" || len(value) > 0 && len(value) <= 2 &&
		strings.Trim(value, "0123456789") == ""
}

func uriList(value string) (list []string) {
	for uri := range strings.SplitSeq(value, ",") {
		if uri = strings.TrimSpace(uri); uri != "" {
			list = append(list, uri)
		}
	}
	return list
}

// isMailto reports whether a URI is one that receivers send reports to (RFC 7489 section 6.2).
func isMailto(uri string) bool {
	scheme, rest, ok := strings.Cut(uri, ":")
	address, _, _ := strings.Cut(rest, "!")
	local, domain, at := strings.Cut(address, "@")
	return ok && strings.EqualFold(scheme, "mailto") && at && local != "" && domain != ""
}

// nearMiss returns a text that was meant to be a policy of a version and is not taken for one, or "".
func nearMiss(texts []string, version string) string {
	plain := strings.NewReplacer("\u201c", "", "\u201d", "", "\"", "", "\\", "", " ", "")
	for _, text := range texts {
		if strings.HasPrefix(strings.ToLower(plain.Replace(text)), strings.ToLower(version)) {
			return text
		}
	}
	return ""
}

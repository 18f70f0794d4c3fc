package reports

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// TLS is a TLS report: how many sessions to the domain's mail hosts one sender had, and what failed.
type TLS struct {
	Reporter string
	ID       string
	From, To time.Time
	Policies []TLSPolicy
}

// TLSPolicy is what a sender saw under one policy of a domain.
type TLSPolicy struct {
	Domain     string
	Type       string // sts, tlsa, no-policy-found
	Successful int
	Failed     int
	Failures   []TLSFailure
}

// TLSFailure is a kind of failure (RFC 8460 section 4.3).
type TLSFailure struct {
	Type     string // certificate-expired, starttls-not-supported, ...
	Host     string // the MX
	Address  string // that it was reached at
	Sessions int
	Why      string
}

// parseTLS reads a TLS report.
func parseTLS(data []byte) (*TLS, error) {
	var doc struct {
		Org   string `json:"organization-name"`
		ID    string `json:"report-id"`
		Range struct {
			Start string `json:"start-datetime"`
			End   string `json:"end-datetime"`
		} `json:"date-range"`
		Policies []struct {
			Policy struct {
				Type   string `json:"policy-type"`
				Domain string `json:"policy-domain"`
			} `json:"policy"`
			Summary struct {
				Successful int64 `json:"total-successful-session-count"`
				Failed     int64 `json:"total-failure-session-count"`
			} `json:"summary"`
			Failures []struct {
				Type     string `json:"result-type"`
				Host     string `json:"receiving-mx-hostname"`
				Address  string `json:"receiving-ip"`
				Sessions int64  `json:"failed-session-count"`
				Why      string `json:"failure-reason-code"`
				More     string `json:"additional-information"`
			} `json:"failure-details"`
		} `json:"policies"`
	}

	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("no TLS report: %w", err)
	}
	if len(doc.Policies) == 0 || len(doc.Policies) > 1000 {
		return nil, errors.New("no TLS report: it has no policies, or too many")
	}

	r := &TLS{
		Reporter: oneLine(doc.Org),
		ID:       oneLine(doc.ID),
		From:     parseTime(doc.Range.Start),
		To:       parseTime(doc.Range.End),
	}

	for _, p := range doc.Policies {
		policy := TLSPolicy{
			Domain:     name(p.Policy.Domain),
			Type:       strings.ToLower(oneLine(p.Policy.Type)),
			Successful: bounded(p.Summary.Successful),
			Failed:     bounded(p.Summary.Failed),
		}

		for _, f := range p.Failures[:min(len(p.Failures), 1000)] {
			policy.Failures = append(policy.Failures, TLSFailure{
				Type:     strings.ToLower(oneLine(f.Type)),
				Host:     name(f.Host),
				Address:  oneLine(f.Address),
				Sessions: bounded(f.Sessions),
				Why:      oneLine(f.Why + " " + f.More),
			})
		}

		r.Policies = append(r.Policies, policy)
	}

	return r, nil
}

func bounded(n int64) int { return int(min(max(n, 0), 1e9)) }

// layouts are the ways in which reporters write times, beside that of RFC 8460 section 4.4.
var layouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05", "2006-01-02T15:04:05Z0700", time.RFC1123Z, "2006-01-02"}

// parseTime reads a time; zero where it can't be read.
func parseTime(text string) time.Time {
	text = strings.TrimSpace(text)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

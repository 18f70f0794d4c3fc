package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// DMARC is an aggregate report: who sent as the domain, as one receiver saw it.
type DMARC struct {
	Reporter string
	ID       string
	Domain   string
	From, To time.Time
	Rows     []Row
}

// Row is what came from one address.
type Row struct {
	Source     netip.Addr
	Count      int
	HeaderFrom string
	SPF, DKIM  bool   // aligned passes, as the receiver evaluated them
	Action     string // none, quarantine, reject
	Override   string // why the policy was not followed: forwarded, mailing_list, ...
	Signers    []string
	Envelope   string // the domain that SPF was evaluated for, "" where the report does not say
}

// Passes reports whether DMARC passed.
func (r Row) Passes() bool { return r.SPF || r.DKIM }

// Limits of a report.
const (
	maxReport = 16 << 20 // octets, unpacked
	maxRows   = 100_000
	maxDepth  = 16
)

var errHostile = errors.New("it has a document type or nests too deeply, which no report has")

// parseDMARC reads an aggregate report. Namespaces differ between reporters and do not count.
func parseDMARC(data []byte) (*DMARC, error) {
	data = bytes.ToValidUTF8(data, []byte("?")) // names in another charset, which do not count
	if err := checkXML(data); err != nil {
		return nil, err
	}

	var doc struct {
		XMLName  xml.Name `xml:"feedback"`
		Metadata struct {
			Org   string `xml:"org_name"`
			ID    string `xml:"report_id"`
			Range struct {
				Begin string `xml:"begin"`
				End   string `xml:"end"`
			} `xml:"date_range"`
		} `xml:"report_metadata"`
		Policy struct {
			Domain string `xml:"domain"`
		} `xml:"policy_published"`
		Records []struct {
			Row struct {
				Source string `xml:"source_ip"`
				Count  string `xml:"count"`
				Policy struct {
					Disposition string `xml:"disposition"`
					DKIM        string `xml:"dkim"`
					SPF         string `xml:"spf"`
					Reasons     []struct {
						Type string `xml:"type"`
					} `xml:"reason"`
				} `xml:"policy_evaluated"`
			} `xml:"row"`
			Identifiers struct {
				HeaderFrom string `xml:"header_from"`
			} `xml:"identifiers"`
			Auth struct {
				DKIM []struct {
					Domain string `xml:"domain"`
					Result string `xml:"result"`
				} `xml:"dkim"`
				SPF []struct {
					Domain string `xml:"domain"`
					Scope  string `xml:"scope"`
				} `xml:"spf"`
			} `xml:"auth_results"`
		} `xml:"record"`
	}

	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = true
	d.CharsetReader = passThrough
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("no DMARC aggregate report: %w", err)
	}
	if doc.Policy.Domain == "" || len(doc.Records) > maxRows {
		return nil, errors.New("no DMARC aggregate report: it names no domain, or has too many records")
	}

	r := &DMARC{
		Reporter: oneLine(doc.Metadata.Org),
		ID:       oneLine(doc.Metadata.ID),
		Domain:   name(doc.Policy.Domain),
		From:     seconds(doc.Metadata.Range.Begin),
		To:       seconds(doc.Metadata.Range.End),
	}

	for _, rec := range doc.Records {
		source, err := netip.ParseAddr(strings.Trim(rec.Row.Source, " \t\r\n[]"))
		if err != nil {
			continue // one reporter writes names there
		}

		row := Row{
			Source:     source.Unmap(),
			Count:      count(rec.Row.Count),
			HeaderFrom: name(rec.Identifiers.HeaderFrom),
			SPF:        is(rec.Row.Policy.SPF, "pass"),
			DKIM:       is(rec.Row.Policy.DKIM, "pass"),
			Action:     strings.ToLower(oneLine(rec.Row.Policy.Disposition)),
		}

		for _, reason := range rec.Row.Policy.Reasons {
			row.Override = strings.ToLower(oneLine(reason.Type))
		}

		for _, sig := range rec.Auth.DKIM {
			if is(sig.Result, "pass") {
				row.Signers = append(row.Signers, name(sig.Domain))
			}
		}

		for _, spf := range rec.Auth.SPF {
			if !is(spf.Scope, "helo") {
				row.Envelope = name(spf.Domain)
			}
		}

		r.Rows = append(r.Rows, row)
	}

	return r, nil
}

// checkXML refuses XML with a document type, which is where entities are defined, and with nesting that no
// report has.
func checkXML(data []byte) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = passThrough
	d.Strict = false
	depth, records := 0, 0

	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("no XML: %w", err)
		}

		switch token := token.(type) {
		case xml.Directive:
			return errHostile
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return errHostile
			}

			if token.Name.Local == "record" {
				if records++; records > maxRows {
					return fmt.Errorf("it has more than %d records", maxRows)
				}
			}
		case xml.EndElement:
			depth--
		}
	}
}

// passThrough reads whatever charset is declared as it is: what counts in a report is ASCII.
func passThrough(_ string, in io.Reader) (io.Reader, error) { return in, nil }

func is(text, want string) bool { return strings.EqualFold(strings.TrimSpace(text), want) }

// oneLine is a text of a stranger on one line, shortened.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))), " ")

	if len(text) > 200 {
		text = text[:200]
	}

	return text
}

func name(text string) string { return strings.ToLower(strings.TrimSuffix(oneLine(text), ".")) }

// count reads a number of messages; what is no number is one, and what is too large is as much as is counted.
func count(text string) int {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || n < 0 {
		return 1
	}
	return int(min(n, 1e9))
}

// seconds reads a time in seconds since 1970, as RFC 7489 has it; some write milliseconds, some a date.
func seconds(text string) time.Time {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	switch {
	case err != nil:
		return parseTime(text)
	case n <= 0 || n > 1e14:
		return time.Time{}
	case n > 1e11:
		n /= 1000
	}

	return time.Unix(n, 0).UTC()
}

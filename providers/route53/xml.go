package route53

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
)

var route53Codec = webapi.Codec{
	Mime:      "application/xml",
	Marshal:   xml.Marshal,
	Unmarshal: xml.Unmarshal,
	Refusal:   route53Refusal,
}

// route53Refusal returns what an error says, in either of its two forms.
func route53Refusal(body []byte) string {
	var e struct {
		Code     string   `xml:"Error>Code"`
		Message  string   `xml:"Error>Message"`
		Messages []string `xml:"Messages>Message"`
	}

	if xml.Unmarshal(body, &e) != nil || e.Code+strings.Join(e.Messages, "") == "" {
		return webapi.ReplyText(body)
	}

	return webapi.OneLine(strings.TrimSpace(e.Code + " " + e.Message +
		strings.Join(e.Messages, "; ")))
}

type route53Zones struct {
	Zones []struct {
		ID      string `xml:"Id"`
		Name    string
		Private bool `xml:"Config>PrivateZone"`
	} `xml:"HostedZones>HostedZone"`
}

type route53List struct {
	Sets      []route53Set `xml:"ResourceRecordSets>ResourceRecordSet"`
	Truncated bool         `xml:"IsTruncated"`
	NextName  string       `xml:"NextRecordName"`
	NextType  string       `xml:"NextRecordType"`
	NextID    string       `xml:"NextRecordIdentifier"`
}

type route53Batch struct {
	XMLName xml.Name        `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ChangeResourceRecordSetsRequest"`
	Changes []route53Change `xml:"ChangeBatch>Changes>Change"`
}

type route53Change struct {
	Action string
	Set    route53Set `xml:"ResourceRecordSet"`
}

type route53Set struct {
	Name   string
	Type   string
	ID     string `xml:"SetIdentifier,omitempty"` // one of several, of which a rule chooses
	TTL    int    `xml:",omitempty"`
	Values []struct {
		Value string
	} `xml:"ResourceRecords>ResourceRecord"`
	Alias *struct {
		DNSName string
	} `xml:"AliasTarget"`
}

func (s route53Set) apiSet() webapi.Set {
	out := webapi.Set{
		RRset: record.RRset{
			Name: mail.FQDN(octalToDecimal(s.Name, record.Unescape)),
			Type: s.Type,
		},
		TTL: s.TTL,
	}

	switch {
	case s.Alias != nil:
		out.Unreadable = fmt.Sprintf("an alias record of Route 53, to %s, answers for it: remove that first",
			webapi.OneLine(s.Alias.DNSName))
	case s.ID != "":
		out.Unreadable = "the answer depends on the client, by a routing policy of Route 53: remove that first"
	}

	for _, v := range s.Values {
		text := v.Value
		if s.Type == "TXT" {
			text = octalToDecimal(text, nil)
		}
		out.Values = append(out.Values, webapi.Value{Text: text, Raw: v.Value})
	}

	return out
}

func newRoute53Set(s webapi.Set) route53Set {
	out := route53Set{Name: s.Name, Type: s.Type, TTL: s.TTL}
	for _, v := range s.Values {
		text := v.Raw
		if text == "" {
			text = v.Text
			if s.Type == "TXT" {
				text = recoded(text, 10, func(c byte) string {
					return fmt.Sprintf(`\%03o`, c)
				})
			}
		}

		out.Values = append(out.Values, struct{ Value string }{text})
	}

	return out
}

// octalToDecimal turns Route 53's escapes, \ and three octal digits, into those of DNS, and
// then hands the text to f, if not nil.
func octalToDecimal(s string, f func(string) string) string {
	s = recoded(s, 8, func(c byte) string { return fmt.Sprintf(`\%03d`, c) })
	if f != nil {
		s = f(s)
	}
	return s
}

// recoded writes every escape of three digits of a base as spell does. Other escapes, such
// as \" and \\, stay.
func recoded(s string, base int, spell func(byte) string) string {
	if !strings.Contains(s, `\`) {
		return s
	}

	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}

		if i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], base, 8); err == nil {
				b.WriteString(spell(byte(c)))
				i += 3
				continue
			}
		}

		b.WriteString(s[i : i+2])
		i++
	}

	return b.String()
}

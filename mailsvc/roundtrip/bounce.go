package roundtrip

import (
	"bytes"
	"errors"
	"io"
	"net/textproto"
	"strings"
	"unicode"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // bounces come in the charsets of their senders

	"github.com/mailpub/mailpub/plan/lazy"
)

// Bounce is what a delivery status notification says of a message (RFC 3464).
type Bounce struct {
	Action     string // failed, delayed, ...
	Status     string // enhanced code: 5.7.1
	Diagnostic string // the words of the server that refused, or of the one that gave up
	Remote     string // the server that refused, "" where none was reached
	Reporter   string // the server that says so
}

// Failed reports whether the message will not arrive; else it is only late.
func (b Bounce) Failed() bool {
	return b.Action != "delayed" && b.Action != "relayed" && b.Action != "expanded" &&
		b.Action != "delivered"
}

// maxParts and maxDepth bound what is looked into of a message that somebody else made.
const (
	maxParts = 50
	maxText  = 64 << 10
)

// ReadBounce reads a bounce; ok is false where the message is none.
func ReadBounce(raw []byte) (b Bounce, ok bool) {
	m, err := message.Read(bytes.NewReader(raw))
	if err != nil && !message.IsUnknownCharset(err) && !message.IsUnknownEncoding(err) ||
		m == nil {
		return b, false
	}

	kind, params, _ := m.Header.ContentType()
	if kind == "multipart/report" && !strings.EqualFold(params["report-type"],
		"delivery-status") && params["report-type"] != "" {
		return b, false
	}

	var text, page string
	parts := 0
	m.Walk(func(_ []int, part *message.Entity, err error) error {
		if parts++; part == nil || err != nil && !message.IsUnknownCharset(err) &&
			!message.IsUnknownEncoding(err) || parts > maxParts {
			return errStop
		}

		switch kind, _, _ := part.Header.ContentType(); kind {
		case "message/delivery-status", "message/global-delivery-status":
			body, _ := io.ReadAll(io.LimitReader(part.Body, maxText))
			b, ok = readStatus(body)
		case "text/plain", "":
			if text == "" {
				body, _ := io.ReadAll(io.LimitReader(part.Body, maxText))
				text = string(body)
			}
		case "text/html":
			if page == "" {
				page = htmlText(io.LimitReader(part.Body, maxText))
			}
		}

		return nil
	}) // what could be read of it counts

	if ok || !isFromMailSystem(m.Header) {
		return b, ok
	}
	if b, ok = readProse(text); ok {
		return b, true
	}

	return readProse(page) // some servers write HTML alone
}

var errStop = errors.New("enough was read")

// readStatus reads the fields of the message and of the first recipient that has one.
func readStatus(body []byte) (b Bounce, ok bool) {
	groups := strings.Split(strings.Trim(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n"),
		"\n\n")

	for _, group := range groups[:min(len(groups), maxParts)] {
		h := textproto.MIMEHeader{}
		for _, f := range fields([]byte(strings.Trim(group, "\n") + "\n\n")) { // lines that are no fields do not count
			h.Add(f.name, f.value)
		}

		if name := withoutType(h.Get("Reporting-MTA")); name != "" {
			b.Reporter = name
		}

		if action := strings.ToLower(strings.TrimSpace(h.Get("Action"))); action != "" && !ok {
			b.Action = strings.Fields(action)[0]
			ok = true
			b.Status, _, _ = strings.Cut(strings.TrimSpace(h.Get("Status")), " ")
			b.Diagnostic = withoutType(h.Get("Diagnostic-Code"))
			b.Remote = withoutType(h.Get("Remote-MTA"))
		}
	}

	return b, ok
}

// withoutType is a field's value without its type: "smtp; 550 no" is "550 no".
func withoutType(value string) string {
	kind, rest, ok := strings.Cut(value, ";")
	if !ok || strings.ContainsAny(strings.TrimSpace(kind), " \t") {
		return oneLine(value)
	}
	return oneLine(rest)
}

// oneLine puts a text on one line, shortened.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "..."
	}
	return text
}

// isFromMailSystem reports whether a message is from a mail system: a null return path, or a name that only such have.
func isFromMailSystem(h message.Header) bool {
	if path := strings.TrimSpace(h.Get("Return-Path")); path == "<>" {
		return true
	}
	from := strings.ToLower(h.Get("From"))
	return strings.Contains(from, "mailer-daemon") || strings.Contains(from, "postmaster@") ||
		strings.Contains(from, "mail delivery")
}

// refusal is a line of a bounce that is no report (qmail, Exim, Exchange of old) and quotes an SMTP reply.
var refusal = lazy.Regexp(`(?m)(?:^|[\s>:"'(])([45]\d\d[ -](?:[45]\.\d{1,3}\.\d{1,3}[ -])?[^\r\n]{0,300})`)

// prose are words with which such bounces say that nothing was delivered.
var prose = lazy.Regexp(`(?i)(could not be delivered|couldn't be delivered|undeliverable|delivery (?:has )?failed|permanent (?:fatal )?error|unable to deliver|wasn't able to deliver|retry time not reached|connection refused|timed out|was not delivered` +
	`|nicht zugestellt|unzustellbar|impossibile (?:recapitare|consegnare)|(?:mancato|mancata) (?:recapito|consegna)|non recapitabile|n'a pas pu (?:être|etre|=EAtre) (?:remis|distribu)|non remis)`)

// later are words of a warning: the message is still in a queue.
var later = lazy.Regexp(`(?i)(not yet been delivered|no action is required on your part|will (?:continue|keep trying|be retried))`)

// smtp is what makes a number a reply: an answering machine may quote the number of a telephone.
var smtp = lazy.Regexp(`(?i)(\b[45]\.\d{1,3}\.\d{1,3}\b|\bsmtp\b|\bsaid:|<<<)`)

func readProse(text string) (b Bounce, ok bool) {
	if m := refusal().FindStringSubmatch(text); m != nil &&
		(prose().MatchString(text) || smtp().MatchString(text)) {
		b = Bounce{Action: "failed", Diagnostic: oneLine(m[1])}
		if m[1][0] == '4' && !prose().MatchString(text) || later().MatchString(text) {
			b.Action = "delayed"
		}
		return b, true
	}

	if at := prose().FindStringIndex(text); at != nil {
		from := strings.LastIndexAny(text[:at[0]], "\r\n") + 1
		line, _, _ := strings.Cut(text[from:], "\n")
		b = Bounce{Action: "failed", Diagnostic: oneLine(line)}
		if later().MatchString(text) {
			b.Action = "delayed"
		}
		return b, true
	}

	return b, false
}

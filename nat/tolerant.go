package nat

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/huin/goupnp"
)

// The second reading: where a router's XML is no XML, what matters in it is found as text.
// Nothing here recurses, and what is read was bounded by the transport.

// maxServices bounds how many services of a description are looked at.
const maxServices = 64

// xmlTag is a tag in a text that may be XML.
type xmlTag struct {
	name       string // without a prefix, in lower case
	closing    bool
	empty      bool // <name/>
	start, end int  // of the tag itself
}

// nextTag returns the first tag at or after a place. A "<" that begins no tag is text.
func nextTag(s string, from int) (t xmlTag, ok bool) {
	for {
		i := strings.IndexByte(s[from:], '<')
		if i < 0 {
			return xmlTag{}, false
		}

		start := from + i
		rest := s[start+1:]
		closing := strings.HasPrefix(rest, "/")
		rest = strings.TrimPrefix(rest, "/")
		end := strings.IndexByte(rest, '>')

		if end < 0 {
			return xmlTag{}, false
		}

		inside := rest[:end]
		name := inside
		if cut := strings.IndexAny(inside, " \t\r\n/"); cut >= 0 {
			name = inside[:cut]
		}

		if _, local, prefixed := strings.Cut(name, ":"); prefixed {
			name = local
		}

		if name == "" || !isLetter(name[0]) || strings.ContainsRune(inside, '<') {
			from = start + 1
			continue
		}

		after := len(s) - len(rest) + end + 1
		return xmlTag{strings.ToLower(name), closing, strings.HasSuffix(inside, "/"), start,
			after}, true
	}
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// content returns the text of an element that a tag begins, without tags in it, and where
// to read on: behind its end, or at the next tag where it has none.
func content(s string, open xmlTag) (text string, next int) {
	if open.empty {
		return "", open.end
	}

	var b strings.Builder
	at := open.end
	for range 16 { // markup in a name, not a document
		t, ok := nextTag(s, at)
		if !ok {
			break
		}

		b.WriteString(s[at:t.start])
		if t.closing && t.name == open.name {
			return strings.TrimSpace(html.UnescapeString(b.String())), t.end
		}

		at = t.end
	}

	end := len(s)
	if t, ok := nextTag(s, open.end); ok {
		end = t.start
	}

	return strings.TrimSpace(html.UnescapeString(s[open.end:end])), end
}

// describeByText finds the services of a description by text. It fails where there is none.
func describeByText(body string) (*goupnp.RootDevice, error) {
	body = withoutSections(body)
	root := new(goupnp.RootDevice)
	var service *goupnp.Service
	set := func(field *string, text string) {
		if *field == "" {
			*field = text
		}
	}

	for at := 0; ; {
		t, ok := nextTag(body, at)
		if !ok {
			break
		}

		at = t.end
		if t.closing {
			if t.name == "service" && service != nil &&
				len(root.Device.Services) < maxServices {
				root.Device.Services = append(root.Device.Services, *service)
				service = nil
			}
			continue
		}

		switch t.name {
		case "service":
			service = new(goupnp.Service)
		case "friendlyname", "udn", "urlbase", "servicetype", "controlurl":
			var text string
			text, at = content(body, t)
			switch {
			case t.name == "friendlyname":
				set(&root.Device.FriendlyName, text)
			case t.name == "udn":
				set(&root.Device.UDN, text)
			case t.name == "urlbase":
				set(&root.URLBaseStr, text)
			case service == nil:
			case t.name == "servicetype":
				set(&service.ServiceType, text)
			default:
				set(&service.ControlURL.Str, text)
			}
		}
	}

	if len(root.Device.Services) == 0 {
		return nil, errors.New("not a device description: no service in it")
	}

	return root, nil
}

// pageError says that a router answered an action with something that is no answer to it.
type pageError struct {
	status int
	what   string
}

// aPage is what a pageError has for a page of HTML.
const aPage = "a page"

func (e *pageError) Error() string {
	return fmt.Sprintf("the router answers HTTP %d %s with %s", e.status,
		http.StatusText(e.status), e.what)
}

// soapAnswer is what a router answered an action with, found by text.
type soapAnswer struct {
	code int // of a refusal; 0: none
	text string
	args [][2]string // in their order
}

// readSOAP reads the answer to an action. The error says what it is if it is no answer.
func readSOAP(action string, status int, body string) (a soapAnswer, err error) {
	if strings.TrimSpace(body) == "" {
		return a, &pageError{status, "no text"}
	}

	responded, fault, page := false, false, false
	body = withoutSections(body)
	var reason string

	for at := 0; ; {
		t, ok := nextTag(body, at)
		if !ok {
			break
		}

		at = t.end
		switch {
		case t.closing:
		case t.name == "errorcode":
			var text string
			text, at = content(body, t)
			if code, err := strconv.Atoi(text); err == nil {
				fault = true
				a.code = code
			}
		case t.name == "errordescription":
			a.text, at = content(body, t)
		case t.name == "faultstring":
			reason, at = content(body, t)
		case t.name == "fault":
			fault = true
		case t.name == strings.ToLower(action)+"response":
			responded = true
		case t.name == "html":
			page = true
		case strings.HasPrefix(t.name, "new") && len(a.args) < maxServices, responded &&
			isOutput(t.name):
			var text string
			name := strings.TrimSpace(body[t.start+1 : t.end-1])
			text, at = content(body, t)
			a.args = append(a.args, [2]string{localName(name), text})
		}
	}

	switch {
	case fault && a.code != 0:
		return a, nil
	case fault && codeOf(a.text+" "+reason) != 0:
		a.code = codeOf(a.text + " " + reason)
		return a, nil
	case fault:
		return a, &pageError{status, "a fault without a code"}
	case page:
		return a, &pageError{status, aPage}
	case !responded && len(a.args) == 0:
		return a, &pageError{status, "something that is no answer to " + action}
	case status != http.StatusOK:
		return a, &pageError{status, "an answer to " + action}
	}

	return a, nil
}

// codeOf returns the code of a refusal that a router gives in words alone; 0 for none.
func codeOf(words string) int {
	plain := strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, words))

	for _, w := range []struct {
		words string
		code  int
	}{
		{"nosuchentry", codeNoSuchEntry},
		{"arrayindexinvalid", codeIndexInvalid},
		{"conflictinmapping", codeConflict},
		{"conflictwithothermechanism", codeOtherMeans},
		{"onlypermanentleases", codePermanentOnly},
		{"sameportvalues", codeSamePort},
		{"noportmapsavailable", codeNoPortMaps},
		{"notauthorized", codeNotAuthorized},
		{"invalidargs", codeInvalidArgs},
		{"invalidaction", codeInvalidAction},
		{"actionfailed", codeActionFailed},
	} {
		if strings.Contains(plain, w.words) {
			return w.code
		}
	}

	return 0
}

// withoutSections returns a text without comments, and with what stands in CDATA sections as plain
// text.
func withoutSections(s string) string {
	for _, section := range []struct {
		begin, end string
		keep       bool
	}{{"<!--", "-->", false}, {"<![CDATA[", "]]>", true}} {
		var b strings.Builder
		for {
			before, rest, found := strings.Cut(s, section.begin)
			inside, after, closed := strings.Cut(rest, section.end)
			b.WriteString(before)

			if !found || !closed {
				s = b.String() + rest
				break
			}

			if section.keep {
				b.WriteString(html.EscapeString(inside))
			}

			s = after
		}
	}

	return s
}

// isOutput reports whether an element is an output argument that does not begin with "New".
func isOutput(name string) bool {
	switch name {
	case "uniqueid", "firewallenabled", "inboundpinholeallowed", "pinholepackets", "isworking", "outboundpinholetimeout":
		return true
	}
	return false
}

func localName(tag string) string {
	if cut := strings.IndexAny(tag, " \t\r\n/"); cut >= 0 {
		tag = tag[:cut]
	}
	if _, local, prefixed := strings.Cut(tag, ":"); prefixed {
		return local
	}
	return tag
}

// plainValue makes of an output argument what its type allows (WANIPConnection:2 section 2.3),
// where a router writes it otherwise and what it means is clear.
func plainValue(name, text string) string {
	switch strings.ToLower(name) {
	case "newenabled":
		switch strings.ToLower(text) {
		case "1", "true", "yes", "on", "enabled":
			return "1"
		}
		return "0"
	case "newleaseduration", "newuptime":
		if _, err := strconv.ParseUint(text, 10, 32); err != nil {
			return "0"
		}
	case "newinternalport", "newexternalport":
		if _, err := strconv.ParseUint(text, 10, 16); err != nil {
			return "0"
		}
	}

	return text
}

// canonicalSOAP writes an answer in the form that goupnp reads.
func canonicalSOAP(action, service string, a soapAnswer) (status int, body []byte) {
	var b strings.Builder
	b.WriteString(`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>`)
	if a.code != 0 {
		fmt.Fprintf(&b, `<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0">`+
			`<errorCode>%d</errorCode><errorDescription>%s</errorDescription></UPnPError></detail></s:Fault>`,
			a.code, html.EscapeString(a.text))
		status = http.StatusInternalServerError
	} else {
		fmt.Fprintf(&b, `<u:%sResponse xmlns:u="%s">`, action, html.EscapeString(service))
		for _, arg := range a.args {
			fmt.Fprintf(&b, "<%s>%s</%s>", arg[0],
				html.EscapeString(plainValue(arg[0], arg[1])), arg[0])
		}
		fmt.Fprintf(&b, `</u:%sResponse>`, action)
		status = http.StatusOK
	}

	b.WriteString(`</s:Body></s:Envelope>`)
	return status, []byte(b.String())
}

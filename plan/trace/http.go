package trace

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// longest is how much of a body is shown, in octets.
const longest = 16 << 10

// Do sends a request, by whatever sends it, and tells of it under a protocol. Headers are never shown: they hold
// credentials. Of the address, what stands behind "?" and before "@" is left out.
func Do(protocol string, req *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	ctx := req.Context()
	line := req.Method + " " + req.URL.EscapedPath()
	for _, name := range []string{"SOAPACTION", "Soapaction", "SOAPAction"} {
		if action := req.Header[name]; len(action) == 1 {
			line += " " + strings.Trim(action[0], `"`)
		}
	}

	end := Start(ctx, protocol, req.URL.Host, line)
	if Observed(ctx) {
		var text string
		req, text = withCopiedBody(req)
		Wire(ctx, protocol, req.URL.Host, Sent, line+"\n"+text)
	}

	resp, err := send(req)
	end(err)
	if err == nil && Observed(ctx) {
		var text string
		text, resp.Body = peek(resp.Body)
		Wire(ctx, protocol, req.URL.Host, Received, resp.Status+"\n"+text)
	}

	return resp, err
}

// withCopiedBody reads the beginning of a request's body, and returns a request that still has all of it.
func withCopiedBody(req *http.Request) (again *http.Request, text string) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, ""
	}
	again = req.Clone(req.Context())
	text, again.Body = peek(req.Body)
	return again, text
}

// peek reads the beginning of a body, and returns one that begins there again.
func peek(body io.ReadCloser) (text string, again io.ReadCloser) {
	begin, err := io.ReadAll(io.LimitReader(body, longest))
	rest := io.MultiReader(bytes.NewReader(begin), body)
	if err != nil {
		rest = io.MultiReader(bytes.NewReader(begin), failing{err})
	}
	return string(begin), peeked{Reader: rest, Closer: body}
}

// failing is what is left of a body that could not be read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type peeked struct {
	io.Reader
	io.Closer
}

// Package notify takes notices to people: by the services that shoutrrr knows, by a webhook, by a
// program. It knows how to send one; when to, and when again, is package watch's.
//
// No error of it holds a secret: URLs are left out of them.
package notify

import (
	"errors"
	"net/url"
	"strings"

	"github.com/mailpub/mailpub/plan/lazy"
	"github.com/mailpub/mailpub/plan/redact"
)

// addressIn finds addresses in the text of errors: they may hold tokens.
var addressIn = lazy.Regexp(`[a-z][a-z0-9+.-]*://[^\s"']+`)

// withoutSecrets returns an error without addresses, and without any of some secrets.
func withoutSecrets(err error, secrets ...string) error {
	text := addressIn().ReplaceAllString(err.Error(), "(address)")
	set := &redact.Set{}
	set.Add(secrets...)
	text = set.Text(text)

	for _, s := range secrets {
		if len(s) > 3 {
			text = strings.ReplaceAll(text, s, redact.Mark)
		}
	}

	return errors.New(text)
}

// secretsOf are the parts of a URL that must not be seen.
func secretsOf(raw string) []string {
	list := []string{raw}
	u, err := url.Parse(raw)
	if err != nil {
		return list
	}

	if password, ok := u.User.Password(); ok {
		list = append(list, password, url.QueryEscape(password))
	}

	list = append(list, u.User.Username())
	for _, part := range strings.Split(u.EscapedPath(), "/") {
		list = append(list, part)
		if plain, err := url.PathUnescape(part); err == nil {
			list = append(list, plain)
		}
	}

	for name, values := range u.Query() {
		if !isPublicParameter(name) {
			list = append(list, values...)
		}
	}

	return list
}

// isPublicParameter reports whether a parameter of a service's URL says nothing that is secret.
func isPublicParameter(name string) bool {
	switch strings.ToLower(name) {
	case "fromaddress", "toaddresses", "title", "subject", "usestarttls", "priority", "scheme":
		return true
	}
	return false
}

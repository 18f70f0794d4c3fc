package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan/durable"
)

// Mailbox is one at another provider that is to stand in the config.
type Mailbox struct {
	UI           *term.UI
	Provider     string // whose servers are known; "": another
	ClientID     string // of the application at the provider
	ClientSecret string // a reference
	TokenFile    string
	DeviceURL    string // of another provider's device flow (RFC 8628)
	TokenURL     string
	Scope        string
	Wait         time.Duration // for the permission
}

// Lines returns the lines for the config. Where the provider takes no password, a person is shown where to give the
// permission, and its token goes into a file.
func (m Mailbox) Lines(ctx context.Context, address string) (string, error) {
	p := config.MailboxProvider{TokenURL: m.TokenURL, DeviceURL: m.DeviceURL, Scope: m.Scope}
	if m.Provider != "" {
		known, ok := config.LookupMailboxProvider(m.Provider)
		if !ok {
			return "", fmt.Errorf("--provider: %w",
				config.OneOf(m.Provider, config.Words("verify.mailboxes.provider")))
		}
		p = known
	}

	lines := "verify:\n  mailboxes:\n    - address: " + address + "\n"
	if m.Provider != "" {
		lines += "      provider: " + m.Provider + "\n"
	} else {
		lines += "      submission: smtp." + domainOf(address) + ":465\n      imap: imap." +
			domainOf(address) + ":993\n"
	}

	if p.DeviceURL == "" {
		return lines + "      password: \"env:MAILBOX_PASSWORD\"\n", nil
	}
	if m.ClientID == "" {
		return "", errors.New("--client-id is missing, want that of the application that you registered at the provider (docs/mailboxes.md)")
	}
	if err := m.authorize(ctx, p); err != nil {
		return "", err
	}

	lines += "      oauth:\n        client_id: " + m.ClientID + "\n"
	if m.ClientSecret != "" {
		lines += fmt.Sprintf("        client_secret: %q\n", m.ClientSecret)
	}

	lines += fmt.Sprintf("        refresh_token: %q\n", "file:"+m.TokenFile)
	if m.TokenURL != "" {
		lines += "        token_url: " + m.TokenURL + "\n"
	}

	return lines, nil
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}

// authorize gets the token into its file.
func (m Mailbox) authorize(ctx context.Context, p config.MailboxProvider) error {
	ask := site.DeviceAuthorization{
		Provider: p,
		ClientID: m.ClientID,
		Show:     func(url, code string) { term.ShowCode(m.UI, url, code) },
	}

	if m.ClientSecret != "" {
		secret, err := config.Resolve(ctx, m.ClientSecret, ".")
		if err != nil {
			return fmt.Errorf("--client-secret: %w", err)
		}
		ask.ClientSecret = secret
	}

	ctx, cancel := context.WithTimeout(ctx, m.Wait)
	defer cancel()

	token, err := ask.Authorize(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no permission was given within %v", m.Wait)
	}
	if err != nil {
		return err
	}

	return durable.Replace(m.TokenFile, []byte(token+"\n"))
}

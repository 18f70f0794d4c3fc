package site

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
)

// DeviceAuthorization asks a provider for the permission to use a mailbox (RFC 8628): a person enters a code in a browser, on
// any device.
type DeviceAuthorization struct {
	Provider     config.MailboxProvider // with TokenURL and DeviceURL
	ClientID     string
	ClientSecret string
	Show         func(url, code string) // has the person go there
}

// Authorize returns the refresh token once the person has agreed. It is a secret.
func (p DeviceAuthorization) Authorize(ctx context.Context) (string, error) {
	o := oauth2.Config{
		ClientID:     p.ClientID,
		ClientSecret: p.ClientSecret,
		Endpoint: oauth2.Endpoint{
			TokenURL:      p.Provider.TokenURL,
			DeviceAuthURL: p.Provider.DeviceURL,
		},
		Scopes: []string{p.Provider.Scope},
	}

	device, err := o.DeviceAuth(ctx)
	if err != nil {
		return "", remoteError("the device flow", err)
	}

	p.Show(device.VerificationURI, device.UserCode)
	token, err := o.DeviceAccessToken(ctx, device)
	if err != nil {
		return "", remoteError("the permission", err)
	}
	if token.RefreshToken == "" {
		return "", errors.New("the provider gave no refresh token: the application must ask for offline access")
	}

	return token.RefreshToken, nil
}

// remoteError says what a provider answered, without what was sent to it.
func remoteError(what string, err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return fmt.Errorf("%s: cannot reach the provider", what)
	}

	code := refused.ErrorCode
	if code == "" && refused.Response != nil {
		code = refused.Response.Status
	}

	return fmt.Errorf("%s: the provider says %s", what, code)
}

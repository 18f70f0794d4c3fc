package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan/egress"
)

// Headers of a webhook's request.
const (
	TimestampHeader = "Mailpub-Timestamp" // seconds since 1970, as they were signed
	SignatureHeader = "Mailpub-Signature" // "sha256=" and Sign in hexadecimal digits
)

// Webhook returns a channel that posts a notice as JSON. With a secret it is signed: see Sign. An
// answer of 2xx means that it was taken; redirections are not followed.
func Webhook(to, secret string) watch.Channel {
	client := &http.Client{
		Transport: egress.HTTP(),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}

	name := "webhook"
	if u, err := url.Parse(to); err == nil {
		name += " " + u.Host
	}

	return watch.Channel{Name: name, Send: func(ctx context.Context, n watch.Notice) error {
		body, err := json.Marshal(n)
		if err != nil {
			return err
		}

		r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
		if err != nil {
			return withoutSecrets(err, secretsOf(to)...)
		}

		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("User-Agent", "mailpub")
		if secret != "" {
			at := strconv.FormatInt(time.Now().Unix(), 10)
			r.Header.Set(TimestampHeader, at)
			r.Header.Set(SignatureHeader, "sha256="+Sign(secret, at, body))
		}

		answer, err := client.Do(r)
		if failed := (*url.Error)(nil); errors.As(err, &failed) {
			err = failed.Err // without the address
		}

		if err != nil {
			return withoutSecrets(err, secretsOf(to)...)
		}

		defer answer.Body.Close()

		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection can be used again
		if answer.StatusCode/100 != 2 {
			return fmt.Errorf("it answers %s", answer.Status)
		}

		return nil
	}}
}

// Sign returns the HMAC-SHA256 (RFC 2104) of the time stamp, a dot and the body, in hexadecimal
// digits. Who gets a notice computes it anew, compares in constant time, and refuses a time
// stamp that is more than some minutes old: then nobody else can have sent it, or send it again.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

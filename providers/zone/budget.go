package zone

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

// Budget is how many calls an account at a provider may make. All zones of the account share one, in a
// process (webapi.Budgets) or in a fleet. Methods may be called concurrently.
type Budget interface {
	// Wait returns as soon as so many calls may be made. The error is a BudgetError if that is later
	// than ctx lasts, and ctx's own if it ends while waiting.
	Wait(ctx context.Context, calls int) error
	// Heard is told of each reply: its header and its HTTP status. A 429 stops the whole account.
	Heard(header http.Header, status int)
}

// BudgetError says that the account may make no call before a time. Nothing was sent.
type BudgetError struct {
	Account Account
	Until   time.Time
	Blocked bool // the provider said so (429); else mailpub keeps the calls apart itself
}

func (e BudgetError) Error() string {
	left := max(time.Until(e.Until), 0).Round(time.Second).String()
	if e.Blocked {
		return e.Account.Provider + " limits the account: it accepts no call for another " +
			left
	}
	return "the calls to the account at " + e.Account.Provider +
		" are limited: the next one is possible in " + left
}

// Account is an account at a provider, as far as its credentials tell accounts apart.
type Account struct {
	Provider string // its name: "cloudflare"
	ID       string // a digest of the credentials; it reveals none
	Rate     Rate   // as the provider documents it; zero: not known
}

// Rate is a number of calls in a time.
type Rate struct {
	Calls int
	Per   time.Duration
}

// account is the account that some settings open.
func (p Provider) account(settings map[string]string) Account {
	sum := sha256.New()
	for _, s := range p.Settings {
		if s.Secret {
			sum.Write([]byte(s.Name + "\x00" + settings[s.Name] + "\x00"))
		}
	}

	return Account{
		Provider: p.Name,
		ID:       hex.EncodeToString(sum.Sum(nil)[:8]),
		Rate:     p.Rate,
	}
}

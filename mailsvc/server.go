package mailsvc

import (
	"context"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// Kind is the kind of the keys of the mail service.
const Kind = "service"

// Server is the driver of one kind of mail server.
type Server interface {
	plan.Driver

	// Spell says what a site needs (plan.Site.ServiceItems) in this server's own settings. What
	// the server does anyway is left out, what it can't be told is by hand. It asks nobody.
	Spell(needs []plan.Item) []plan.Item
}

// Inspector is a Server whose settings can be read by another way than they are written.
type Inspector interface {
	// Inspect compares what is needed with what the server itself says is in force. An error
	// means that it could not be asked.
	Inspect(ctx context.Context, needs []plan.Item) ([]Setting, error)
}

// Queue is a Server whose queue can be looked into.
type Queue interface {
	// Queued returns why a message from a sender to a recipient, handed in since a time, has not left yet, in the words
	// of the last attempt; "" where it is not in the queue. An error means that nobody can look.
	Queued(ctx context.Context, sender, recipient string, since time.Time) (string, error)
}

// Setting is a need as a server has it in force.
type Setting struct {
	Need      string // "delivery"
	Subject   string // the setting in the server's own words
	Want, Got string
	Good      bool
	Unknown   bool // it can't be seen, for the reason in Got
	Outside   bool // Got is what a client outside the server's networks would meet
}

// SplitNeed returns the parts of a need's key: {"alias", "postmaster@nomeazienda.it"}.
func SplitNeed(k plan.Key) (need, name string) {
	if k.Name == mail.NeedLineEnds { // two words, and no name
		return k.Name, ""
	}
	need, name, _ = strings.Cut(k.Name, " ")
	return need, name
}

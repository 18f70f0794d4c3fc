package mailsvc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// Kind is the kind of the keys of the mail service.
const Kind = "service"

// Manual is a mail server that a person sets up. It implements plan.Driver: it observes
// by SMTP what the server does, and writes nothing.
//
// {"service", "hostname"} is the name in the greeting. {"service", "recipient
// postmaster@nomeazienda.it"} is "accepted" when RCPT is.
type Manual struct {
	Addr string // host:port on the LAN
	Dial Dial   // nil dials
}

// Kind implements plan.Driver.
func (m *Manual) Kind() string { return Kind }

// Read implements plan.Driver. What can't be asked, because nothing answers or the
// answer is "later", is Unreadable.
func (m *Manual) Read(ctx context.Context, keys []plan.Key) ([]plan.Item, error) {
	d, err := hello(ctx, m.Dial, m.Addr)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var items []plan.Item
	for _, k := range keys {
		if err != nil {
			items = append(items, plan.Item{Key: k, Unreadable: fmt.Sprintf("no mail server answers at %s: %v", m.Addr, err)})
			continue
		}
		if it, there := m.read(ctx, d, k); there {
			items = append(items, it)
		}
	}
	if err == nil {
		d.close()
	}
	return items, ctx.Err()
}

func (m *Manual) read(ctx context.Context, d *dialog, k plan.Key) (plan.Item, bool) {
	it := plan.Item{Key: k}
	if k.Name == "hostname" {
		it.Lines = []string{d.Greeting.Name()}
		return it, true
	}
	address, ok := strings.CutPrefix(k.Name, "recipient ")
	if !ok {
		it.Unreadable = "can't be seen by SMTP"
		return it, true
	}
	mail, rcpt, err := d.transaction(ctx, "<>", "<"+address+">")
	switch {
	case err != nil:
		it.Unreadable = fmt.Sprintf("%s: %v", m.Addr, err)
	case mail.accepted() && rcpt.accepted():
		it.Lines = []string{"accepted"}
	case mail.accepted() && rcpt.refused():
		return plan.Item{}, false
	case mail.accepted():
		it.Unreadable = "RCPT was answered " + rcpt.String()
	default:
		it.Unreadable = "MAIL was answered " + mail.String()
	}
	return it, true
}

// Apply implements plan.Driver. It always fails: plan makes by-hand changes of what
// this server needs.
func (m *Manual) Apply(_ context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	err := errors.New("the mail server is set up by hand")
	done(batch[0], err)
	return err
}

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
	a := asker{dial: m.Dial, addr: m.Addr}
	defer a.close()
	var items []plan.Item
	for _, k := range keys {
		it, there := m.read(ctx, &a, k)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if there {
			items = append(items, it)
		}
	}
	return items, nil
}

func (m *Manual) read(ctx context.Context, a *asker, k plan.Key) (it plan.Item, there bool) {
	it.Key = k
	address, recipient := strings.CutPrefix(k.Name, "recipient ")
	if !recipient && k.Name != "hostname" {
		it.Unreadable = "can't be seen by SMTP"
		return it, true
	}
	var mail, rcpt Reply
	err := a.open(ctx)
	if err == nil && recipient {
		mail, rcpt, err = a.ask(ctx, "<>", "<"+address+">")
	}
	switch {
	case err != nil:
		it.Unreadable = fmt.Sprintf("no mail server answers at %s: %s", m.Addr, plainly(err))
	case !recipient:
		it.Lines = []string{a.d.Greeting.Name()}
	case rcpt.accepted():
		it.Lines = []string{"accepted"}
	case rcpt.refused():
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
	if len(batch) == 0 {
		return nil
	}
	err := errors.New("the mail server is set up by hand")
	done(batch[0], err)
	return err
}

package postfix

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
)

// before takes the picture of a server that runs, where anything that it goes by is to change. One that
// does not answer at all can get no worse. One that answers and breaks off is left as it is: nobody
// could tell what a change does to it.
func (d *Driver) before(ctx context.Context, e *edit, ask bool) (*behaviour, error) {
	if !ask || !e.main.changes() && !e.addresses.changes() {
		return nil, nil
	}

	is, err := d.postconf(ctx, "-x", "myhostname", "inet_interfaces")
	if err != nil {
		return nil, err
	}

	addr := d.answerAddr(settings(is)["inet_interfaces"])
	if _, err := smtpclient.Greeting(ctx, d.Dial, addr); err != nil {
		d.log().Warn("the server does not answer now, so that nothing is compared after the change",
			"addr", addr, "err", err)
		return nil, nil
	}

	l := d.newLookups()
	p, err := d.observe(ctx, e.s, l, addr, d.recipients(e.s))
	if err != nil {
		return nil, fmt.Errorf("cannot observe the server's behaviour before the change, so nothing was written: %w", err)
	}

	then, err := d.routingAfter(ctx, e)
	if err == nil {
		e.ways, err = l.routes(ctx, then)
	}

	if err != nil {
		return nil, fmt.Errorf("cannot predict the effects of the change, so nothing was written: %w", err)
	}

	for _, name := range slices.Sorted(maps.Keys(e.ways)) {
		if way := e.ways[name]; isDiscarded(way) && !isDiscarded(p.ways[name]) {
			return nil, fmt.Errorf("mail for %s, written without a domain, goes to %s, and would go to %s then: give %s an alias, or myorigin another domain",
				name, p.ways[name], way, name)
		}
	}

	return &p, nil
}

// compare fails where the server does worse than before by anything that the plan did not announce.
func (d *Driver) compare(ctx context.Context, e *edit, before *behaviour, said announcedEffects) error {
	if before == nil {
		return nil
	}

	is, err := d.postconf(ctx, "-x", "inet_interfaces")
	if err != nil {
		return err
	}

	s, err := d.load(ctx)
	if err != nil {
		return err
	}

	s.own = e.s.sampleAddress() // the same questions
	addr := d.answerAddr(settings(is)["inet_interfaces"])
	recipients := slices.Sorted(maps.Keys(before.recipients))

	for tries := 1; ; tries++ {
		after, err := d.observe(ctx, s, d.newLookups(), addr, recipients)
		if err != nil {
			return fmt.Errorf("the server can't be asked what it does now: %w", err)
		}

		lost := before.regression(after, said)
		switch {
		case lost == "":
			return nil
		case !before.isDeferring(after) || tries == 5:
			return fmt.Errorf("the change would break mail that flows: %s", lost)
		}

		select {
		case <-time.After(d.patience() / 10):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// announcedEffects is what the plan of an edit says of what is to be otherwise.
func (e *edit) announcedEffects() announcedEffects {
	return announcedEffects{
		refused: e.refused,
		networks: slices.Contains(e.names, "mynetworks") ||
			slices.Contains(e.names, "smtpd_relay_restrictions"),
		senders: slices.Contains(e.names, "smtpd_sender_restrictions"),
		ways:    e.ways,
	}
}
